'use strict';

const { recall } = require('./transport/causes');

/** Errors that callers see. Each carries a stable `code` besides the message that callers know. */

class FetchError extends Error {
  /**
   * @param {number} statusCode
   * @param {string} message
   */
  constructor(statusCode, message) {
    super(message);
    this.statusCode = statusCode;
    this.code = 'ERR_EXPERIMENT_FETCH_STATUS';
  }
}

/** @type {WeakMap<object, any>} */
const made = new WeakMap();

/**
 * The JavaScript error for a description from the native side; the same one for the same description. Where a caller's own
 * transport has failed, it is what that has thrown.
 * @param {any} description
 * @returns {any}
 */
function errorOf(description) {
  if (description instanceof Error) return description;
  const known = made.get(description);
  if (known) return known;
  const error = make(description);
  made.set(description, error);
  return error;
}

/** @param {import('../native/index').ErrorDescription} description */
function make(description) {
  const { kind, code, message, status, body } = description;
  switch (kind) {
    case 'fetchStatus':
      return new FetchError(/** @type {number} */ (status), message);
    case 'notJson':
      return withCode(syntaxError(/** @type {string} */ (body)), code);
    case 'notVariants':
      return withCode(new TypeError(message), code);
    case 'notArray':
      return withCode(new TypeError('flagsArray.reduce is not a function'), code);
    case 'transport': {
      const own = recall(message);
      if (own) return own.cause;
      return withCode(code.startsWith('ERR_INVALID') ? new TypeError(message) : new Error(message), code);
    }
    default:
      return withCode(new Error(message), code);
  }
}

/**
 * What `JSON.parse` says of a text.
 * @param {string} text
 */
function syntaxError(text) {
  try {
    JSON.parse(text);
  } catch (error) {
    return /** @type {Error} */ (error);
  }
  return new SyntaxError('Unexpected JSON');
}

/**
 * @param {Error} error
 * @param {string} code
 */
function withCode(error, code) {
  return Object.assign(error, { code });
}

module.exports = { FetchError, errorOf };
