'use strict';

const codegen = require('./codegen');
const { GROUP_PROPERTIES, group, groupName, context } = require('./context');
const { INHERITED_NAMES, hasOwn, property, text, matched, matchedAndText, identity } = require('./values');

/**
 * Reads the slots of a selection from a user and hands them to the native evaluation, one argument a slot.
 *
 * Two forms of the same thing: `interpret` walks the slots, `compile` generates straight-line code for
 * selections that are used often.
 *
 * @typedef {{ path?: string[], matched?: boolean, text?: boolean, identity?: boolean, group?: string }} Slot
 * `path` is the selector below `context`; `identity` slots read the user id, or the first name of `group`.
 * @typedef {(enriched: boolean, ...values: any[]) => void} NativeEvaluate
 * @typedef {(user: any, enriched: boolean) => void} Reader
 */

/** What generated code refers to, by these names. */
const HELPERS = {
  matched,
  matchedAndText,
  text,
  identity,
  hasOwn,
  group,
  groupName,
  read,
  none: Object.freeze({}),
};

/**
 * In which form a slot's value crosses: the name of a helper.
 * @param {Slot} slot
 */
function form(slot) {
  if (slot.identity) return 'identity';
  if (!slot.text) return 'matched';
  return slot.matched ? 'matchedAndText' : 'text';
}

/**
 * The value that a slot names, before it is put into the form that crosses.
 * @param {Slot} slot
 * @param {any} user
 */
function read(slot, user) {
  if (slot.identity)
    return slot.group === undefined ? property(user, 'user_id') : groupName(user, slot.group);
  const path = slot.path || [];
  let value;
  let at = 2;
  if (path.length >= 2 && path[0] === 'user') {
    value = GROUP_PROPERTIES.has(path[1]) ? undefined : property(user, path[1]);
  } else if (path.length >= 2 && path[0] === 'groups') {
    value = group(user, path[1]);
  } else {
    value = context(user);
    at = 0;
  }
  for (; at < path.length; at++) value = property(value, path[at]);
  return value;
}

/**
 * @param {Slot[]} slots
 * @param {NativeEvaluate} evaluate
 * @returns {Reader}
 */
function interpret(slots, evaluate) {
  const forms = slots.map((slot) => HELPERS[form(slot)]);
  return (user, enriched) => {
    /** @type {[boolean, ...any[]]} */
    const values = [enriched];
    for (let i = 0; i < slots.length; i++) values.push(forms[i](read(slots[i], user)));
    Reflect.apply(evaluate, undefined, values);
  };
}

/**
 * @param {Slot[]} slots
 * @param {NativeEvaluate} evaluate
 * @returns {Reader}
 */
function compile(slots, evaluate) {
  if (!codegen.allowed) return interpret(slots, evaluate);
  const lines = new Lines();
  const values = slots.map((slot, index) => `${form(slot)}(${lines.expression(slot, index)})`);
  const names = Object.keys(HELPERS);
  const body = `'use strict'; return (user, enriched) => { ${lines.text.join(' ')} evaluate(${['enriched', ...values].join(', ')}); };`;
  return new Function('evaluate', 'slots', ...names, body)(evaluate, slots, ...Object.values(HELPERS));
}

/** Straight-line code that reads each common prefix of the slots' paths once. */
class Lines {
  constructor() {
    /** @type {string[]} */
    this.text = [];
    /** @type {Map<string, string>} */
    this.objects = new Map();
  }

  /**
   * @param {Slot} slot
   * @param {number} index
   */
  expression(slot, index) {
    if (slot.identity) {
      return slot.group === undefined
        ? this.access('user', 'user_id')
        : `groupName(user, ${JSON.stringify(slot.group)})`;
    }
    const path = slot.path || [];
    if (path.length < 2 || (path[0] !== 'user' && path[0] !== 'groups')) return `read(slots[${index}], user)`;
    if (path[0] === 'user' && GROUP_PROPERTIES.has(path[1])) return 'undefined';
    const last = path.length - 1;
    if (path[0] === 'groups' && last === 1) return `group(user, ${JSON.stringify(path[1])})`;
    return this.access(this.object(path.slice(0, last)), path[last]);
  }

  /**
   * The name of a variable that holds the object at a path; an empty object where there is none.
   * @param {string[]} path
   * @returns {string}
   */
  object(path) {
    if (path.length === 1 && path[0] === 'user') return 'user';
    const key = JSON.stringify(path);
    const known = this.objects.get(key);
    if (known !== undefined) return known;
    const last = path.length - 1;
    const value =
      path[0] === 'groups' && last === 1
        ? `group(user, ${JSON.stringify(path[1])})`
        : this.access(this.object(path.slice(0, last)), path[last]);
    const name = `o${this.objects.size}`;
    this.objects.set(key, name);
    this.text.push(
      `let ${name} = ${value}; if (${name} === null || typeof ${name} !== 'object') ${name} = none;`,
    );
    return name;
  }

  /**
   * @param {string} object
   * @param {string} name
   */
  access(object, name) {
    const key = JSON.stringify(name);
    const value = `${object}[${key}]`;
    return INHERITED_NAMES.has(name) ? `(hasOwn.call(${object}, ${key}) ? ${value} : undefined)` : value;
  }
}

module.exports = { interpret, compile };
