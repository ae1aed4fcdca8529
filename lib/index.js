'use strict';

/**
 * All of the JavaScript behind one door, so that a package can carry it as one file (`scripts/stage.js`): what the
 * package exports, and what its inner files do.
 *
 * @type {{ face: typeof import('../index'), deep: typeof import('./deep') }}
 */
module.exports = { face: /** @type {any} */ (require('./face')), deep: require('./deep') };
