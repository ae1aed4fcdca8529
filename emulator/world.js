'use strict';

/**
 * What the emulator serves: the flags, cohorts and keys of one deployment. In: a plain object (from a file, from code, from
 * the control endpoint). Out: a world that the endpoints read and that tests change while the server runs.
 *
 * Flags are not validated: serving a malformed flag is something that tests need.
 */

const { parseCohort } = require('./cohorts');

/**
 * @typedef {import('./index').World} WorldData
 * @typedef {import('./cohorts').StoredCohort} StoredCohort
 */

const KNOWN = ['deploymentKey', 'apiKey', 'secretKey', 'flags', 'cohorts'];

class World {
  /** @param {WorldData} [data] */
  constructor(data = {}) {
    /** @type {any[]} */
    this.flags = [];
    /** @type {Map<string, StoredCohort>} */
    this.cohorts = new Map();
    /** @type {string | undefined} */
    this.deploymentKey = undefined;
    /** @type {string | undefined} */
    this.apiKey = undefined;
    /** @type {string | undefined} */
    this.secretKey = undefined;
    this.replace(data);
  }

  /**
   * Becomes what the data says, or stays as it is when some of the data is wrong.
   * @param {WorldData} data
   */
  replace(data) {
    requireObject(data);
    const flags = requireList('flags', data.flags === undefined ? [] : data.flags);
    const cohorts = requireList('cohorts', data.cohorts === undefined ? [] : data.cohorts).map(parseCohort);
    const keys = ['deploymentKey', 'apiKey', 'secretKey'].map((name) => optionalText(name, data));
    this.flags = flags;
    this.cohorts = new Map(cohorts.map((cohort) => [cohort.cohortId, cohort]));
    [this.deploymentKey, this.apiKey, this.secretKey] = keys;
  }

  /** @param {unknown} flags */
  setFlags(flags) {
    this.flags = requireList('flags', flags);
  }

  /**
   * Puts a flag in the place of the one with its key, or at the end.
   * @param {any} flag
   */
  setFlag(flag) {
    const at = this.flags.findIndex((other) => other && other.key === flag.key);
    this.flags = at < 0 ? [...this.flags, flag] : this.flags.map((other, i) => (i === at ? flag : other));
  }

  /**
   * @param {string} key
   * @returns {boolean} whether there was one
   */
  removeFlag(key) {
    const before = this.flags.length;
    this.flags = this.flags.filter((flag) => !flag || flag.key !== key);
    return this.flags.length < before;
  }

  /** @param {unknown} cohort */
  setCohort(cohort) {
    const parsed = parseCohort(cohort);
    this.cohorts.set(parsed.cohortId, parsed);
  }
}

/** @param {unknown} data */
function requireObject(data) {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new TypeError(`what the emulator serves must be an object with some of ${KNOWN.join(', ')}`);
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {any[]}
 */
function requireList(name, value) {
  if (!Array.isArray(value)) throw new TypeError(`"${name}" must be an array`);
  return value;
}

/**
 * @param {string} name
 * @param {any} data
 * @returns {string | undefined}
 */
function optionalText(name, data) {
  const value = data[name];
  if (value !== undefined && typeof value !== 'string') throw new TypeError(`"${name}" must be a string`);
  return value;
}

/**
 * Reads what a file holds. A property that the emulator does not know is most likely a typing mistake, so it is refused.
 * @param {string} text
 * @returns {WorldData}
 */
function parseFile(text) {
  const data = JSON.parse(text);
  requireObject(data);
  const unknown = Object.keys(data).filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0)
    throw new TypeError(`unknown property "${unknown[0]}"; known are ${KNOWN.join(', ')}`);
  return data;
}

module.exports = { World, parseFile };
