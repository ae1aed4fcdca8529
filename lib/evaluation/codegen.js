'use strict';

/** Whether this process may compile code from strings (`--disallow-code-generation-from-strings` forbids it). */
const allowed = (() => {
  try {
    return new Function('return true')() === true;
  } catch {
    return false;
  }
})();

/**
 * A property key in an object literal. `__proto__` must be computed to be an ordinary own property.
 * @param {string} key
 */
function literalKey(key) {
  return key === '__proto__' ? '["__proto__"]' : JSON.stringify(key);
}

module.exports = { allowed, literalKey };
