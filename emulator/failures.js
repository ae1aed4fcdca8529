'use strict';

/**
 * Which failures are still to come, by endpoint: each for its number of requests or until it is cleared, in the order in which they were
 * asked for. What a failure does to a request is in `faults.js`.
 */

const { FAULTS } = require('./faults');

/**
 * @typedef {import('./index').Endpoint} Endpoint
 * @typedef {import('./index').Failure} Failure
 * @typedef {import('./index').FailureChooser} FailureChooser
 * @typedef {import('./index').RecordedRequest} RecordedRequest
 *
 * @typedef {object} Planned
 * @property {Failure | FailureChooser} failure
 * @property {number} left requests that it still meets
 */

/** @type {Endpoint[]} */
const ENDPOINT_NAMES = ['flags', 'variants', 'cohort', 'stream', 'events', 'batch'];

/** Options that are numbers. */
const NUMBERS = [
  'times',
  'delayMillis',
  'status',
  'afterBytes',
  'everyMillis',
  'chunkBytes',
  'by',
  'bytes',
  'count',
];

class Failures {
  constructor() {
    /** @type {Map<Endpoint, Planned[]>} */
    this.planned = new Map();
  }

  /**
   * @param {Endpoint | 'all'} endpoint
   * @param {Failure | FailureChooser} failure
   */
  add(endpoint, failure) {
    if (typeof failure !== 'function') validate(failure);
    const { times = Infinity } = typeof failure === 'function' ? {} : failure;
    for (const name of namesOf(endpoint)) {
      this.planned.set(name, [...(this.planned.get(name) || []), { failure, left: times }]);
    }
  }

  /** @param {Endpoint | 'all'} [endpoint] */
  clear(endpoint = 'all') {
    for (const name of namesOf(endpoint)) this.planned.delete(name);
  }

  /**
   * The failure that a request meets, if any.
   * @param {RecordedRequest} record
   * @returns {Promise<Failure | undefined>}
   */
  async next(record) {
    const list = (record.endpoint && this.planned.get(record.endpoint)) || [];
    const first = list.find(({ failure }) => typeof failure === 'function' || concerns(failure, record));
    if (!first) return undefined;
    first.left -= 1;
    if (first.left <= 0) list.splice(list.indexOf(first), 1);
    if (typeof first.failure !== 'function') return first.failure;
    const chosen = await first.failure(record);
    if (chosen) validate(chosen);
    return chosen || undefined;
  }

  /** What is still to come, for the control endpoint. */
  describe() {
    return ENDPOINT_NAMES.flatMap((endpoint) =>
      (this.planned.get(endpoint) || []).map(({ failure, left }) => ({
        endpoint,
        ...(typeof failure === 'function' ? { kind: 'chosen by a function' } : failure),
        left: left === Infinity ? 'until cleared' : left,
      })),
    );
  }
}

/**
 * @param {Failure} failure
 * @param {RecordedRequest} record
 */
function concerns({ urlContains }, record) {
  return urlContains === undefined || record.url.includes(urlContains);
}

/**
 * @param {Endpoint | 'all'} endpoint
 * @returns {Endpoint[]}
 */
function namesOf(endpoint) {
  if (endpoint === 'all') return ENDPOINT_NAMES;
  if (ENDPOINT_NAMES.includes(endpoint)) return [endpoint];
  throw new TypeError(`unknown endpoint "${endpoint}"; known are ${ENDPOINT_NAMES.join(', ')}, all`);
}

/** @param {any} failure */
function validate(failure) {
  const kinds = Object.keys(FAULTS);
  if (typeof failure !== 'object' || failure === null || !kinds.includes(failure.kind)) {
    throw new TypeError(`a failure needs a "kind" of ${kinds.join(', ')}`);
  }
  const wrong = NUMBERS.find((name) => failure[name] !== undefined && !Number.isFinite(failure[name]));
  if (wrong) throw new TypeError(`"${wrong}" must be a number`);
  if (failure.kind === 'status' && failure.status === undefined) throw new TypeError('"status" is missing');
}

module.exports = { Failures };
