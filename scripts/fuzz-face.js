'use strict';

/**
 * Drives the face with what no type allows: wrong types, proxies, getters that throw, revoked proxies, huge inputs, calls from
 * within calls. Nothing may crash, hang or throw what is not JavaScript's or the caller's own.
 *
 *   npm run fuzz:face -- [--calls 100000] [--seed 1]
 */

const { fuzz } = require('./fuzz-face/driver');

/**
 * @param {string} name
 * @param {number} otherwise
 */
function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
}

const seed = option('seed', (Math.random() * 2 ** 32) >>> 0);
const calls = option('calls', 100_000);
console.log(`seed ${seed}`);
fuzz(seed, calls).then(({ made, threw, rejected, problems }) => {
  for (const problem of problems) console.error(`WRONG: ${problem}`);
  console.log(`${made} calls, ${threw} threw, ${rejected} rejected, ${problems.length} wrong`);
  process.exit(problems.length > 0 ? 1 : 0);
});
