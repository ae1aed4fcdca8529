'use strict';

/**
 * What `require` costs: time and memory, of the packages as they are published, in fresh processes that take turns.
 * `--rounds N`, 15 by default. Exits with 1 where a goal is missed.
 */

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { stage } = require('../scripts/stage');
const { duration, table } = require('./measure');

/** How many times faster than upstream it has to be; the memory after it has to be less. */
const TIMES_FASTER = 10;

const at = process.argv.indexOf('--rounds');
const ROUNDS = at < 0 ? 15 : Number(process.argv[at + 1]);

const ROOT = path.join(__dirname, '..');
/** Where our packages stand beside each other, as a package manager puts them. */
const INSTALLED = path.join(ROOT, 'build', 'startup', 'node_modules');

const [main] = stage().map(({ directory, name }) => {
  const target = path.join(INSTALLED, name);
  fs.rmSync(target, { recursive: true, force: true });
  fs.cpSync(directory, target, { recursive: true });
  return target;
});
const PACKAGES = { upstream: '@amplitude/experiment-node-server', ours: main };

/** Run in a process of its own. `Experiment` is touched, so that nothing is put off. */
const CHILD = `
  const start = process.hrtime.bigint();
  require(process.argv[1]).Experiment;
  const nanoseconds = Number(process.hrtime.bigint() - start);
  process.stdout.write(JSON.stringify({ nanoseconds, bytes: process.memoryUsage().rss }));
`;

/**
 * @param {string} name
 * @returns {{ nanoseconds: number, bytes: number }}
 */
function measure(name) {
  return JSON.parse(
    execFileSync(process.execPath, ['-e', CHILD, '--', name], {
      encoding: 'utf8',
      cwd: ROOT,
    }),
  );
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** @type {{ nanoseconds: number, bytes: number }[]} */
const theirs = [];
/** @type {{ nanoseconds: number, bytes: number }[]} */
const our = [];
// The first ones read from the disk.
measure(PACKAGES.upstream);
measure(PACKAGES.ours);
for (let round = 0; round < ROUNDS; round++) {
  theirs.push(measure(PACKAGES.upstream));
  our.push(measure(PACKAGES.ours));
}

const time = [theirs, our].map((list) => median(list.map(({ nanoseconds }) => nanoseconds)));
const memory = [theirs, our].map((list) => median(list.map(({ bytes }) => bytes)));
const faster = time[0] / time[1];
const mebibytes = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

console.log(`require in a fresh process, medians of ${ROUNDS} that take turns, Node ${process.version}`);
table([
  ['', 'upstream', 'ours', '', 'goal'],
  ['time', duration(time[0]), duration(time[1]), `${faster.toFixed(1)}x faster`, `${TIMES_FASTER}x`],
  ['resident memory after', mebibytes(memory[0]), mebibytes(memory[1]), '', 'below upstream'],
]);

const missed = faster < TIMES_FASTER || memory[1] >= memory[0];
if (missed) console.error('a goal was missed');
process.exitCode = missed ? 1 : 0;
