'use strict';

/**
 * What every bench is: a measurement that gives plain data, and a report of it that knows the goals. Run as a program,
 * a bench measures, prints its report and exits with 1 where a goal is missed; `--quick` shortens it, and `--json FILE` keeps
 * the data for `npm run bench:all`, which runs every bench in a process of its own.
 */

const fs = require('node:fs');

/**
 * @template T
 * @typedef {object} Bench
 * @property {(options: { quick: boolean }) => T | Promise<T>} measure
 * @property {(data: T) => boolean} report prints, and says whether all goals are met
 */

/**
 * Makes a module a bench.
 * @template T
 * @param {NodeModule} file
 * @param {Bench<T>} parts
 */
function bench(file, { measure, report }) {
  file.exports = { measure, report };
  if (require.main === file) run({ measure, report });
}

/**
 * @template T
 * @param {Bench<T>} parts
 */
async function run({ measure, report }) {
  try {
    const data = await measure({ quick: process.argv.includes('--quick') });
    const at = process.argv.indexOf('--json');
    if (at >= 0) fs.writeFileSync(process.argv[at + 1], JSON.stringify(data));
    const isMet = report(data);
    if (!isMet) console.error('a goal was missed');
    // What was measured may still hold the process.
    process.exit(isMet ? 0 : 1);
  } catch (error) {
    console.error(error);
    process.exit(2);
  }
}

module.exports = { bench };
