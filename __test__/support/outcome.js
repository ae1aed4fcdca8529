'use strict';

/**
 * What a call comes to: its value, or the class and message of its error. Promises are waited for.
 *
 * @param {() => unknown} call
 */
async function outcome(call) {
  try {
    return { value: await call() };
  } catch (error) {
    return { error: error && error.constructor && error.constructor.name, message: error && error.message };
  }
}

/** A logger that says nothing, and one that remembers its lines with their levels. */
const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

function recording() {
  const lines = [];
  const provider = {};
  for (const level of Object.keys(silent)) provider[level] = (...line) => void lines.push([level, ...line]);
  return { lines, provider };
}

/** A flag that everybody gets. */
function flag(key, extra = {}) {
  return { key, variants: { on: { key: 'on', value: 'on' } }, segments: [{ variant: 'on' }], ...extra };
}

/** A segment for members of cohorts, by whatever selector and operator. */
function members(selector, ids, op = 'set contains any') {
  return { conditions: [[{ selector, op, values: ids }]], variant: 'on' };
}

const USER_COHORTS = ['context', 'user', 'cohort_ids'];

module.exports = { outcome, silent, recording, flag, members, USER_COHORTS };
