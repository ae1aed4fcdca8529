'use strict';

const codegen = require('./codegen');

/**
 * Fresh variant objects, one template an outcome.
 *
 * An outcome is what the native engine answers with: a small integer that stands for one (flag, segment,
 * variant). Its template makes a new plain object on every call, nested payloads included, so that what a
 * caller does to a result stays there. Templates of the same layout share one generated object literal.
 *
 * @typedef {{ make: (template: any) => any, isDefault: boolean, [leaf: string]: any }} Template
 */

/** Payloads with more values than this are copied by a loop and not by a literal. */
const LITERAL_LEAVES = 64;
/** Objects nested deeper than this are parsed anew and not walked, which the stack would not bear. */
const DEPTH = 200;
/** Distinct layouts that get a literal of their own, in the whole process. */
const LAYOUTS = 512;

/** @type {Map<string, (template: any) => any>} */
const literals = new Map();

/**
 * @param {string} json the outcome as the server worded it
 * @returns {Template}
 */
function template(json) {
  const variant = withTextValue(JSON.parse(json));
  const isDefault = Boolean(variant.metadata && variant.metadata.default);
  const leaves = new Leaves(variant);
  if (leaves.tooDeep) return { make: parseSource, isDefault, source: json };
  const literal = leaves.values.length <= LITERAL_LEAVES ? literalFor(leaves) : undefined;
  if (!literal) return { make: copySource, isDefault, source: variant };
  /** @type {Template} */
  const result = { make: literal, isDefault };
  leaves.values.forEach((value, index) => (result[`v${index}`] = value));
  return result;
}

/**
 * The public form of a raw variant: `value` is a string or undefined, appended where there was none.
 * @param {any} raw
 * @returns {any}
 */
function withTextValue(raw) {
  const value = raw.value;
  raw.value =
    typeof value === 'string'
      ? value
      : value === null || value === undefined
        ? undefined
        : JSON.stringify(value);
  return raw;
}

/** A value taken apart: its leaves in order, and the literal that puts fresh ones together again. */
class Leaves {
  /** @param {any} value */
  constructor(value) {
    /** @type {any[]} */
    this.values = [];
    this.tooDeep = false;
    this.literal = this.#literal(value, 0);
  }

  /**
   * @param {any} value
   * @param {number} depth
   * @returns {string}
   */
  #literal(value, depth) {
    if (depth > DEPTH) this.tooDeep = true;
    if (this.tooDeep) return '';
    if (value === null || typeof value !== 'object') return `t.v${this.values.push(value) - 1}`;
    if (Array.isArray(value)) return `[${value.map((item) => this.#literal(item, depth + 1)).join()}]`;
    return `{${Object.keys(value)
      .map((key) => `${codegen.literalKey(key)}:${this.#literal(value[key], depth + 1)}`)
      .join()}}`;
  }
}

/** @param {Leaves} leaves */
function literalFor(leaves) {
  let literal = literals.get(leaves.literal);
  if (!literal && codegen.allowed && literals.size < LAYOUTS) {
    literal = /** @type {(template: any) => any} */ (new Function('t', `return ${leaves.literal};`));
    literals.set(leaves.literal, literal);
  }
  return literal;
}

/** @param {Template} template */
function parseSource(template) {
  return withTextValue(JSON.parse(template.source));
}

/** @param {Template} template */
function copySource(template) {
  return copy(template.source);
}

/**
 * @param {any} value JSON values and undefined
 * @returns {any}
 */
function copy(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(copy);
  /** @type {Record<string, any>} */
  const result = {};
  for (const key of Object.keys(value)) {
    const item = copy(value[key]);
    if (key === '__proto__') {
      Object.defineProperty(result, key, {
        value: item,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    } else {
      result[key] = item;
    }
  }
  return result;
}

module.exports = { template, withTextValue };
