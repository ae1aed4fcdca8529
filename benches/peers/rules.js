'use strict';

/**
 * What a flag asks, in no product's format: in, flags of `flags.js`; out, the rules that every peer's own format is
 * written from, and users as flat attributes. What cannot be said in them is refused, so that no peer is given less work
 * in silence.
 *
 * @typedef {object} Condition
 * @property {string} attribute
 * @property {'is' | 'is not' | 'greater' | 'version greater or equal' | 'contains' | 'set contains any'} op
 * @property {string[]} values any of them
 *
 * @typedef {object} Rules in their order: the first that applies decides
 * @property {string} key
 * @property {Condition[]} targets any of these: `treatment`
 * @property {{ attribute: string, salt: string, percent: number }} rollout that share of all others: half of them
 * `control`, half `treatment`; the rest `off`
 */

const OPERATORS = ['is', 'is not', 'greater', 'version greater or equal', 'contains', 'set contains any'];
/** Amplitude's buckets of a distribution. */
const BUCKETS = 42949673;

/**
 * @param {any} flag
 * @returns {Rules}
 */
function rulesOf(flag) {
  const targeted = flag.segments.slice(0, -1);
  const rest = flag.segments[flag.segments.length - 1];
  const targets = targeted.flatMap((/** @type {any} */ segment) => {
    if (segment.variant !== 'treatment' || segment.bucket) throw refusal(flag, 'a segment that is no target');
    return segment.conditions.map((/** @type {any[]} */ all) => {
      if (all.length !== 1) throw refusal(flag, 'conditions that all have to hold');
      return conditionOf(flag, all[0]);
    });
  });
  const [allocation, ...others] = rest.bucket.allocations;
  const [control, treatment] = allocation.distributions;
  const halves = Math.abs(control.range[1] - BUCKETS / 2) <= 1 && Math.abs(treatment.range[1] - BUCKETS) <= 1;
  if (others.length > 0 || allocation.range[0] !== 0 || !halves) throw refusal(flag, 'another rollout');
  const rollout = {
    attribute: attributeOf(flag, rest.bucket.selector),
    salt: rest.bucket.salt,
    percent: allocation.range[1],
  };
  return { key: flag.key, targets, rollout };
}

/**
 * @param {any} flag
 * @param {{ selector: string[], op: string, values: string[] }} condition
 * @returns {Condition}
 */
function conditionOf(flag, { selector, op, values }) {
  if (!OPERATORS.includes(op)) throw refusal(flag, `"${op}"`);
  return { attribute: attributeOf(flag, selector), op: /** @type {Condition['op']} */ (op), values };
}

/**
 * @param {any} flag
 * @param {string[]} selector
 */
function attributeOf(flag, selector) {
  const [context, kind, ...path] = selector;
  if (context === 'context' && kind === 'user' && path.length === 1) return path[0];
  if (context === 'context' && kind === 'user' && path[0] === 'user_properties') return path[1];
  if (context === 'context' && kind === 'groups' && path[1] === 'group_name') return path[0];
  throw refusal(flag, selector.join('.'));
}

/**
 * @param {any} flag
 * @param {string} what
 */
function refusal({ key }, what) {
  return new Error(`${key}: ${what} cannot be said to every peer`);
}

/**
 * A user with what rules ask for at the top: properties, and groups by their names.
 * @param {any} user
 * @returns {Record<string, any>}
 */
function attributesOf({ user_properties, groups, ...fields }) {
  const names = Object.entries(groups).map(([type, [name]]) => [type, name]);
  return { ...fields, ...user_properties, ...Object.fromEntries(names) };
}

module.exports = { rulesOf, attributesOf };
