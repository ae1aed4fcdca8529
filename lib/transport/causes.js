'use strict';

/**
 * What a caller's own HTTP client or agent has failed with, so that callers see their own errors again. A failure crosses
 * to the native side as a message, and comes back as one, maybe long after and in a log line: it is by its message that
 * the error is found, the latest where several say the same.
 */

/** Errors hold on to what they have seen: no more than this many are kept. */
const KEPT = 16;

/** @type {Map<string, unknown>} the oldest first */
const causes = new Map();

/**
 * @param {string} message what the native side is told
 * @param {unknown} cause whatever was thrown
 */
function remember(message, cause) {
  causes.delete(message);
  causes.set(message, cause);
  if (causes.size > KEPT) causes.delete(/** @type {string} */ (causes.keys().next().value));
}

/**
 * @param {string} message
 * @returns {{ cause: unknown } | undefined} what was thrown, `undefined` itself included
 */
function recall(message) {
  return causes.has(message) ? { cause: causes.get(message) } : undefined;
}

module.exports = { remember, recall };
