'use strict';

/**
 * What is shown of objects that hold keys, when they are printed or written as JSON: everything but the keys. Reading a property gives
 * what it always gave.
 */

const INSPECT = Symbol.for('nodejs.util.inspect.custom');
const HIDDEN = '***';
/** Properties that are keys, and those that hold objects with keys. */
const KEYS = ['apiKey', 'secretKey'];
const HOLDERS = ['config', 'cohortSyncConfig', 'exposureConfig', 'assignmentConfig'];

/**
 * A copy for showing.
 * @param {any} object
 * @returns {any}
 */
function redacted(object) {
  const shown = Object.create(Object.getPrototypeOf(object));
  for (const name of Object.keys(object)) {
    const value = object[name];
    const isHolder = HOLDERS.includes(name) && typeof value === 'object' && value !== null;
    const isKey = KEYS.includes(name) && value;
    const part = isKey ? HIDDEN : isHolder ? redacted(value) : value;
    Object.defineProperty(shown, name, { value: part, enumerable: true });
  }
  // What is shown is shown as it is.
  return hide(shown, { [INSPECT]: undefined, toJSON: undefined });
}

/**
 * Gives an object properties that do not show.
 * @template {object} T
 * @param {T} object
 * @param {Record<string | symbol, any>} properties
 * @returns {T}
 */
function hide(object, properties) {
  for (const name of Reflect.ownKeys(properties))
    Object.defineProperty(object, name, { value: properties[name], configurable: true, writable: true });
  return object;
}

/**
 * From now on an object (or what has it as prototype) shows without its keys.
 * @template {object} T
 * @param {T} object
 * @returns {T}
 */
function hideKeys(object) {
  return hide(object, {
    /** @this {any} @param {number} _depth @param {any} options @param {any} [inspect] */
    [INSPECT](_depth, options, inspect = require('util').inspect) {
      return inspect(redacted(this), options);
    },
    /** @this {any} */
    toJSON() {
      return redacted(this);
    },
  });
}

module.exports = { hideKeys };
