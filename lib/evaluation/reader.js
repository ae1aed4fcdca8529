'use strict';

const codegen = require('./codegen');
const { GROUP_PROPERTIES, group, groupName, groupProperties, groupCohortIds, context } = require('./context');
const { INHERITED_NAMES, hasOwn, property, text, matched, matchedAndText, identity } = require('./values');

/**
 * Reads the slots of a selection from a user and hands them to the native evaluation, one argument a slot.
 *
 * Two forms of the same thing: `interpret` walks the slots, `compile` generates straight-line code for
 * selections that are used often.
 *
 * @typedef {{ path?: string[], matched?: boolean, text?: boolean, identity?: boolean, group?: string, twin?: number }} Slot
 * `path` is the selector below `context`; `identity` slots read the user id, or the first name of `group`. `twin` is the
 * place of the slot that has the same value nearly always: then the value crosses once, and `source` says so.
 * @typedef {(...values: any[]) => void} NativeEvaluate
 * @typedef {(user: any, source: number) => void} Reader `source` is put into the first of the codes, just before
 * the native call: reading may run getters that evaluate too
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
  groupProperties,
  groupCohortIds,
  valueOf,
  none: Object.freeze({}),
};

/** Added to `source`: the identity is what its twin holds. */
const HAS_TWIN = 2;

/**
 * In which form a slot's value crosses: the name of a helper.
 * @param {Slot} slot
 */
function form(slot) {
  if (slot.identity) return 'identity';
  if (!slot.text) return 'matched';
  return slot.matched ? 'matchedAndText' : 'text';
}

/** What a group is made of, and how to read it without making the whole. */
const GROUP_PARTS = Object.assign(Object.create(null), {
  group_name: groupName,
  group_properties: groupProperties,
  cohort_ids: groupCohortIds,
});
/** The same, by the names that generated code has for them. */
const GROUP_PART_HELPERS = Object.assign(Object.create(null), {
  group_name: 'groupName',
  group_properties: 'groupProperties',
  cohort_ids: 'groupCohortIds',
});

/**
 * The part of a group that a path goes through, if it does.
 * @param {string[]} path
 */
function groupPart(path) {
  return path.length >= 3 && path[0] === 'groups' ? path[2] : '';
}

/**
 * The value that a slot names, before it is put into the form that crosses.
 * @param {Slot} slot
 * @param {any} user
 */
function valueOf(slot, user) {
  if (slot.identity)
    return slot.group === undefined ? property(user, 'user_id') : groupName(user, slot.group);
  const path = slot.path || [];
  let value;
  let at = 2;
  const part = GROUP_PARTS[groupPart(path)];
  if (path.length >= 2 && path[0] === 'user') {
    value = GROUP_PROPERTIES.has(path[1]) ? undefined : property(user, path[1]);
  } else if (part !== undefined) {
    value = part(user, path[1]);
    at = 3;
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
 * @param {Uint32Array} codes
 * @returns {Reader}
 */
function interpret(slots, evaluate, codes) {
  const forms = slots.map((slot) => HELPERS[form(slot)]);
  return (user, source) => {
    const read = slots.map((slot) => valueOf(slot, user));
    const values = slots.map(({ twin }, i) => {
      const value = read[i];
      const crossesTwice =
        twin !== undefined && value === read[twin] && (value === undefined || typeof value === 'string');
      if (crossesTwice) source |= HAS_TWIN;
      return crossesTwice ? undefined : forms[i](value);
    });
    codes[0] = source;
    Reflect.apply(evaluate, undefined, values);
  };
}

/**
 * @param {Slot[]} slots
 * @param {NativeEvaluate} evaluate
 * @param {Uint32Array} codes
 * @returns {Reader}
 */
function compile(slots, evaluate, codes) {
  if (!codegen.allowed) return interpret(slots, evaluate, codes);
  const lines = new Lines();
  const names = slots.map((_, index) => `v${index}`);
  // A twin is read after the other.
  const order = [...slots.keys()].sort((a, b) => Number(hasTwin(slots[a])) - Number(hasTwin(slots[b])));
  for (const index of order) {
    const slot = slots[index];
    const value = lines.expression(slot, index);
    if (hasTwin(slot)) {
      lines.text.push(`let v${index} = ${value};`);
      lines.text.push(`if (v${index} === v${slot.twin}) { v${index} = undefined; source |= ${HAS_TWIN}; }`);
      lines.text.push(`else v${index} = identity(v${index});`);
    } else {
      lines.text.push(`const v${index} = ${form(slot)}(${value});`);
    }
  }
  const body = `'use strict'; return (user, source) => { ${lines.text.join(' ')} codes[0] = source; evaluate(${names.join(', ')}); };`;
  return new Function('evaluate', 'slots', 'codes', ...Object.keys(HELPERS), body)(
    evaluate,
    slots,
    codes,
    ...Object.values(HELPERS),
  );
}

/** @param {Slot} slot */
function hasTwin(slot) {
  return slot.twin !== undefined;
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
    if (path.length < 2 || (path[0] !== 'user' && path[0] !== 'groups'))
      return `valueOf(slots[${index}], user)`;
    if (path[0] === 'user' && GROUP_PROPERTIES.has(path[1])) return 'undefined';
    const last = path.length - 1;
    const part = GROUP_PART_HELPERS[groupPart(path)];
    if (part !== undefined && last === 2) return `${part}(user, ${JSON.stringify(path[1])})`;
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
    const part = last === 2 ? GROUP_PART_HELPERS[groupPart(path)] : undefined;
    const helper = part || (path[0] === 'groups' && last === 1 ? 'group' : undefined);
    const value =
      helper !== undefined
        ? `${helper}(user, ${JSON.stringify(path[1])})`
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
