'use strict';

/**
 * All flags of a package that has no call for all of them: `all` and `variants` of a peer, by its `one` and `variant`.
 *
 * @param {string[]} keys
 * @param {(context: any, key: string) => any} one
 * @param {(answer: any) => string} variant
 * @returns {Pick<import('./peer').Opened, 'all' | 'variants' | 'one' | 'variant'>}
 */
function oneByOne(keys, one, variant) {
  return {
    all: (context) => keys.map((key) => one(context, key)),
    variants: (/** @type {any[]} */ answers) =>
      Object.fromEntries(answers.map((answer, index) => [keys[index], variant(answer)])),
    one,
    variant,
  };
}

module.exports = { oneByOne };
