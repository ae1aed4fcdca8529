'use strict';

/**
 * How a property value of a user crosses into the native engine.
 *
 * In: any JavaScript value. Out: `undefined` (none), a string, or an array:
 * - `[form, ...items]`: a list, with its text form (for bucketing; `undefined` where no bucket reads it);
 * - `[form, null]`: the text of something that is neither a string nor a list, though it looks like one;
 * - `[undefined, null]`: something that has no text, which is not the same as nothing: no operator matches it.
 * Numbers and objects are turned into text here, so that their formatting is the engine's own. Strings cross as
 * they are: whether one holds a list in JSON is seen on the other side.
 *
 * A value that throws when it is turned into text (a cycle, a BigInt inside, a `toJSON` or a proxy that fails) has none;
 * `unreadable` keeps the first error until somebody has taken it.
 *
 * @typedef {string | (string | null | undefined)[] | undefined} Crossing
 */

const OPEN_BRACKET = 91;

/** Property names that every object inherits: only own properties of these names count. */
const INHERITED_NAMES = new Set(
  Object.getOwnPropertyNames(Object.prototype).concat(
    Object.getOwnPropertyNames(Array.prototype).filter((name) => name !== 'length'),
  ),
);

const hasOwn = Object.prototype.hasOwnProperty;

/** @type {{ found: { error: unknown } | undefined }} */
const unreadable = { found: undefined };

/** @param {unknown} error */
function cannotRead(error) {
  if (unreadable.found === undefined) unreadable.found = { error };
}

/**
 * The value of a property, never one that comes from `Object.prototype` or `Array.prototype`.
 * @param {any} object
 * @param {string} name
 */
function property(object, name) {
  if (object === null || typeof object !== 'object') return undefined;
  if (INHERITED_NAMES.has(name) && !hasOwn.call(object, name)) return undefined;
  return object[name];
}

/**
 * The text of a value, or none: what buckets hash and what most operators compare.
 * @param {any} value
 * @returns {string | undefined}
 */
function text(value) {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  try {
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  } catch (error) {
    cannotRead(error);
    return undefined;
  }
}

/**
 * What conditions see of a value: its array view if it has one, else its text.
 * @param {any} value
 * @returns {Crossing}
 */
function matched(value) {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object') return scalar(value);
  return listFromObject(value, undefined) || plain(text(value));
}

/**
 * As {@link matched}, with the text form beside the array view.
 * @param {any} value
 * @returns {Crossing}
 */
function matchedAndText(value) {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object') return scalar(value);
  const form = text(value);
  return listFromObject(value, form) || plain(form);
}

/**
 * A number, a boolean, a function: anything with a text that is no string. It is not nothing where it has none.
 * @param {any} value
 * @returns {Crossing}
 */
function scalar(value) {
  if (typeof value !== 'function') return String(value);
  const form = text(value);
  return form === undefined ? [undefined, null] : form;
}

/**
 * Who the user or group is, for cohort membership: only a string can be a member, but anything truthy counts
 * as an identity.
 * @param {any} value
 * @returns {string | true | undefined}
 */
function identity(value) {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return value ? true : undefined;
}

/**
 * An object that is no list, by its text.
 * @param {string | undefined} form
 * @returns {Crossing}
 */
function plain(form) {
  return form === undefined || form.charCodeAt(0) === OPEN_BRACKET ? [form, null] : form;
}

/**
 * @param {any} value
 * @param {string | undefined} form
 */
function listFromObject(value, form) {
  let string;
  try {
    if (Array.isArray(value)) return list(value, form);
    string = String(value);
  } catch {
    // An array that cannot be read has no text either, which says so; another object may have one.
    return undefined;
  }
  if (string === '[object Object]' || string.charCodeAt(0) !== OPEN_BRACKET) return undefined;
  return listFromJson(string, form);
}

/**
 * @param {string} string
 * @param {string | undefined} form
 */
function listFromJson(string, form) {
  let value;
  try {
    value = JSON.parse(string);
  } catch {
    return undefined;
  }
  return Array.isArray(value) ? list(value, form) : undefined;
}

/** No list of a user's has more elements; what a proxy says of itself may have no end. */
const LONGEST_LIST = 1 << 24;

/**
 * How many elements a list has, once and for all.
 * @param {any[]} elements
 * @returns {number}
 */
function countOf(elements) {
  const { length } = elements;
  if (typeof length !== 'number' || !(length <= LONGEST_LIST)) throw new RangeError('Invalid array length');
  return length;
}

/**
 * @param {any[]} elements
 * @param {string | undefined} form
 */
function list(elements, form) {
  const items = [form];
  const length = countOf(elements);
  for (let i = 0; i < length; i++) {
    const item = text(elements[i]);
    if (item) items.push(item);
  }
  return items;
}

module.exports = {
  countOf,
  INHERITED_NAMES,
  hasOwn,
  unreadable,
  property,
  text,
  matched,
  matchedAndText,
  identity,
};
