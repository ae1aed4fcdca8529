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
 * @typedef {{ message: string, code: string | undefined }} Description what the native side is told of a failure
 */

/**
 * @param {unknown} cause whatever was thrown
 * @returns {Description}
 */
function remember(cause) {
  const description = describe(cause);
  const { message } = description;
  causes.delete(message);
  causes.set(message, cause);
  if (causes.size > KEPT) causes.delete(/** @type {string} */ (causes.keys().next().value));
  return description;
}

/**
 * @param {string} message
 * @returns {{ cause: unknown } | undefined} what was thrown, `undefined` itself included
 */
function recall(message) {
  return causes.has(message) ? { cause: causes.get(message) } : undefined;
}

/**
 * Callers' parts may throw anything: what has no message is itself the message.
 * @param {unknown} cause
 * @returns {Description}
 */
function describe(cause) {
  const [message, code] = ['message', 'code'].map((name) => memberOf(cause, name));
  return {
    message: textOf(message === undefined ? cause : message),
    code: code === undefined ? undefined : textOf(code),
  };
}

/**
 * @param {any} value
 * @param {string} name
 * @returns {unknown} nothing, where there is none or it cannot be read
 */
function memberOf(value, name) {
  try {
    const member = value[name];
    return member === null ? undefined : member;
  } catch {
    return undefined;
  }
}

/** @param {unknown} value */
function textOf(value) {
  try {
    return String(value);
  } catch {
    return 'unknown error';
  }
}

module.exports = { remember, recall, describe, textOf };
