'use strict';

/** Every function and method of the native part, several times, with panics in between; what was made is collected on the way. */

const native = /** @type {any} */ (require('../../native/index.js'));
const { CALLS } = require('../panics/calls');

for (let round = 0; round < 3; round++) {
  for (const [point, call] of Object.entries(CALLS)) {
    call();
    native.injectPanic(point);
    try {
      call();
    } catch (_panic) {
      // That it is one is for `npm run test:panics` to see.
    }
    native.injectPanic(undefined);
  }
  /** @type {any} */ (globalThis).gc();
}
// Starts and fetches whose ends nobody takes would be waited for.
process.exit(0);
