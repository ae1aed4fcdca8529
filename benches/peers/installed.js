'use strict';

/**
 * A package of this directory's own `package.json`. The project's own tools see the benches without it.
 * @param {string} name
 * @returns {any}
 */
function installed(name) {
  return require(name);
}

module.exports = { installed };
