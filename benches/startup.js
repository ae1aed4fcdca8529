'use strict';

/**
 * What `require` costs: time and memory, of the packages as they are published, in fresh processes that take turns;
 * and what they bring to a disk with all that they depend on. `--rounds N`, 15 by default; `--peers` measures the
 * packages of `peers/` besides. Exits with 1 where a goal is missed.
 */

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { stage } = require('../scripts/stage');
const { bench } = require('./bench');
const { duration, mebibytes, median, table } = require('./measure');
const { PEERS } = require('./peers/peer');
const { directoryOf, installed } = require('./packages');

/** How many times faster than upstream it has to be; the memory after it has to be less. */
const TIMES_FASTER = 10;

const at = process.argv.indexOf('--rounds');
const ROUNDS = at < 0 ? 15 : Number(process.argv[at + 1]);

const ROOT = path.join(__dirname, '..');
const PEERS_HOME = path.join(__dirname, 'peers');
/** Where our packages stand beside each other, as a package manager puts them. */
const INSTALLED = path.join(ROOT, 'build', 'startup', 'node_modules');

/** Run in a process of its own. `Experiment` is touched, so that nothing is put off. */
const CHILD = `
  const start = process.hrtime.bigint();
  require(process.argv[1]).Experiment;
  const nanoseconds = Number(process.hrtime.bigint() - start);
  process.stdout.write(JSON.stringify({ nanoseconds, bytes: process.memoryUsage().rss }));
`;

/**
 * @typedef {{ name: string, nanoseconds: number, memory: number, packages: number, files: number, bytes: number }} Row
 * memory and bytes on the disk in bytes
 */

/**
 * @param {{ quick: boolean }} options
 * @returns {Row[]} upstream first, then ours, then peers where they are asked for
 */
function measure({ quick }) {
  const directories = [directoryOf('@amplitude/experiment-node-server', ROOT), staged()];
  const names = ['@amplitude/experiment-node-server', 'experiment-node-server-rs'];
  if (process.argv.includes('--peers')) {
    for (const { name } of Object.values(PEERS).map((make) => make())) {
      if (!names.includes(name) && names.push(name)) directories.push(directoryOf(name, PEERS_HOME));
    }
  }
  const rounds = quick ? Math.min(ROUNDS, 5) : ROUNDS;
  const found = /** @type {string[]} */ (directories);
  // The first ones read from the disk.
  for (const directory of found) once(directory);
  const times = found.map(() => /** @type {{ nanoseconds: number, bytes: number }[]} */ ([]));
  for (let round = 0; round < rounds; round++) {
    found.forEach((directory, index) => times[index].push(once(directory)));
  }
  return found.map((directory, index) => ({
    name: names[index],
    nanoseconds: median(times[index].map(({ nanoseconds }) => nanoseconds)),
    memory: median(times[index].map(({ bytes }) => bytes)),
    ...installed(directory),
  }));
}

/** Our packages beside each other, as a package manager puts them; the directory of the main one. */
function staged() {
  const [main] = stage().map(({ directory, name }) => {
    const target = path.join(INSTALLED, name);
    fs.rmSync(target, { recursive: true, force: true });
    fs.cpSync(directory, target, { recursive: true });
    return target;
  });
  return main;
}

/**
 * @param {string} directory
 * @returns {{ nanoseconds: number, bytes: number }}
 */
function once(directory) {
  return JSON.parse(
    execFileSync(process.execPath, ['-e', CHILD, '--', directory], { encoding: 'utf8', cwd: ROOT }),
  );
}

/** @param {Row[]} rows */
function report(rows) {
  console.log(
    `require in a fresh process, medians of turns, Node ${process.version}; what is installed for it`,
  );
  table([
    ['', 'time', 'resident memory after', 'packages', 'files', 'on the disk'],
    ...rows.map(({ name, nanoseconds, memory, packages, files, bytes }) => [
      name,
      duration(nanoseconds),
      mebibytes(memory),
      String(packages),
      String(files),
      mebibytes(bytes),
    ]),
  ]);
  const [upstream, ours] = rows;
  const faster = upstream.nanoseconds / ours.nanoseconds;
  console.log(
    `${faster.toFixed(1)}x faster than upstream, goal ${TIMES_FASTER}x; memory has to be below upstream's`,
  );
  return faster >= TIMES_FASTER && ours.memory < upstream.memory;
}

bench(module, { measure, report });
