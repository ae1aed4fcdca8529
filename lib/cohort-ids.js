'use strict';

const { define } = require('./evaluation/context');
const native = require('./native');

/**
 * Which cohorts flags ask for, as the native side says of each.
 *
 * @typedef {{ groups: [string, string[]][], ids: string[] }} Asked ids by group type, and all of them
 * @typedef {WeakMap<object, Asked>} Known what has been said of flags that are still as they were
 */

/** @type {Asked} what most flags ask for */
const NOTHING = { groups: [], ids: [] };

/**
 * @param {Record<string, any>} flags
 * @param {Known} [known]
 * @returns {{ groups: Map<string, Set<string>>, byFlag: Record<string, Set<string>> }} ids by group type, and by flag
 */
function cohortIds(flags, known = new WeakMap()) {
  /** @type {Map<string, Set<string>>} */
  const groups = new Map();
  /** @type {Record<string, Set<string>>} */
  const byFlag = {};
  for (const key of Object.keys(flags)) {
    const asked = askedBy(key, flags[key], known);
    if (asked.ids.length === 0) continue;
    define(byFlag, key, new Set(asked.ids));
    for (const [type, ids] of asked.groups) {
      const set = groups.get(type);
      if (set) ids.forEach((id) => set.add(id));
      else groups.set(type, new Set(ids));
    }
  }
  return { groups, byFlag };
}

/**
 * @param {string} key
 * @param {any} flag
 * @param {Known} known
 * @returns {Asked}
 */
function askedBy(key, flag, known) {
  if (flag === null || typeof flag !== 'object') return NOTHING;
  let asked = known.get(flag);
  if (asked === undefined) {
    asked = read(key, flag);
    known.set(flag, asked);
  }
  return asked;
}

/**
 * @param {string} key
 * @param {any} flag
 * @returns {Asked}
 */
function read(key, flag) {
  /** @type {string} */
  let json;
  try {
    json = JSON.stringify({ [key]: flag });
  } catch {
    // What cannot be written as JSON is not evaluated either.
    return NOTHING;
  }
  const { flags, groups } = native.cohortIds(json);
  const ids = flags.flatMap((named) => named.ids);
  return ids.length === 0 ? NOTHING : { groups: groups.map((named) => [named.name, named.ids]), ids };
}

module.exports = { cohortIds };
