'use strict';

/**
 * What syncing does to the event loop and to memory, against the package that this one replaces, in child processes
 * that take turns; the server is another process. `--large` adds a cohort of 20,000,000. Exits with 1 where a goal is
 * missed.
 */

const { fork, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { duration, table } = require('./measure');
const { flagsOfVersion } = require('./sync/flags');

const PACKAGES = { upstream: '@amplitude/experiment-node-server', ours: path.join(__dirname, '..') };
const MEASURED = path.join(__dirname, 'sync', 'measured.js');
const LOOKUP = path.join(__dirname, 'sync', 'lookup.js');

const ROUNDS = 5;
/** The longest that the event loop may stand still. */
const STALL = 5e6;
/** Of upstream's memory. */
const SHARE = 1 / 4;
const MEMBERS = 1_000_000;
const LARGE = 20_000_000;
const FLAGS = 5000;

/**
 * @typedef {{ longest: number, longestOnTheClock: number, nanoseconds: number, bytes: number, idle: number }} Result
 * `idle` is the longest stall of the same evaluations without an update */

let missed = false;

/**
 * @param {string} what
 * @param {boolean} met
 */
function goal(what, met) {
  if (!met) missed = true;
  console.log(`  goal: ${what}: ${met ? 'met' : 'MISSED'}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

async function main() {
  console.log(
    `Syncing, ${ROUNDS} rounds, Node ${process.version}: medians, and the least of the longest stalls`,
  );
  await cohorts('15 characters', 'fifteen');
  await cohorts('random UUIDs', 'uuid');
  if (process.argv.includes('--large')) await large();
  await updates('one flag evaluated every 4 ms', false);
  await updates('all flags evaluated every 4 ms', true);
  const lookups = spawnSync(process.execPath, [LOOKUP], { stdio: 'inherit' });
  if (lookups.status !== 0) missed = true;
  if (missed) console.error('a goal was missed');
  process.exitCode = missed ? 1 : 0;
}

/**
 * @param {string} title
 * @param {string} kind
 */
async function cohorts(title, kind) {
  const server = await serve({ kind, count: MEMBERS });
  const [theirs, ours] = await turns((name) =>
    measure({ name, url: server.url, scenario: 'cohort', member: 'member-of-it-00' }),
  );
  server.child.disconnect();
  console.log(`\nA cohort of ${MEMBERS.toLocaleString('en')} members, ${title}, through start()`);
  table([
    ['', 'longest stall', 'on the clock', 'start()', 'memory kept', 'a member'],
    ...Object.entries({ upstream: theirs, ours }).map(([name, result]) => [name, ...cells(result, MEMBERS)]),
  ]);
  goal(`the loop stands still for at most ${duration(STALL)}`, ours.longest <= STALL);
  goal(`memory is at most ${SHARE} of upstream's`, ours.bytes <= theirs.bytes * SHARE);
}

async function large() {
  const server = await serve({ kind: 'generated', count: LARGE });
  const { generatedMember } = require('../emulator').Emulator;
  const member = generatedMember({ count: LARGE }, 12_345_678);
  const once = () => measure({ name: PACKAGES.ours, url: server.url, scenario: 'cohort', member });
  const result = medians([await once(), await once()]);
  server.child.disconnect();
  console.log(`\nA cohort of ${LARGE.toLocaleString('en')} members, 15 digits, through start()`);
  table([
    ['', 'longest stall', 'on the clock', 'start()', 'memory kept', 'a member'],
    ['ours', ...cells(result, LARGE)],
  ]);
  goal('it loads and answers', true);
  goal(`the loop stands still for at most ${duration(STALL)}`, result.longest <= STALL);
}

/**
 * @param {string} title
 * @param {boolean} all
 */
async function updates(title, all) {
  const server = await serve({ kind: 'fifteen', count: 1 });
  let version = 1;
  await server.setFlags(flagsOfVersion(FLAGS, version));
  const [theirs, ours] = await turns((name) =>
    measure({ name, url: server.url, scenario: 'update', flags: FLAGS, all }, () =>
      server.setFlags(flagsOfVersion(FLAGS, ++version)),
    ),
  );
  server.child.disconnect();
  console.log(`\nAn update of ${FLAGS.toLocaleString('en')} flags, ${title}`);
  table([
    ['', 'longest stall', 'on the clock', 'without an update'],
    ...Object.entries({ upstream: theirs, ours }).map(([name, { longest, longestOnTheClock, idle }]) => [
      name,
      duration(longest),
      duration(longestOnTheClock),
      duration(idle),
    ]),
  ]);
  if (all) {
    // The evaluations themselves take a part of that time, and so does the garbage that they make.
    const more = ours.longest - ours.idle;
    goal(`it adds at most ${duration(STALL)} to what the evaluations take`, more <= STALL);
  } else {
    goal(`the loop stands still for at most ${duration(STALL)}`, ours.longest <= STALL);
  }
}

/**
 * @param {Result} result
 * @param {number} count
 */
function cells({ longest, longestOnTheClock, nanoseconds, bytes }, count) {
  return [
    duration(longest),
    duration(longestOnTheClock),
    duration(nanoseconds),
    `${(bytes / 2 ** 20).toFixed(1)} MiB`,
    `${(bytes / count).toFixed(1)} B`,
  ];
}

/**
 * Both packages in turn; the medians of each.
 * @param {(name: string) => Promise<Result>} once
 * @returns {Promise<Result[]>}
 */
async function turns(once) {
  /** @type {Result[][]} */
  const results = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, name] of Object.values(PACKAGES).entries()) results[index].push(await once(name));
  }
  return results.map(medians);
}

/**
 * Medians, and of the longest stalls the shortest.
 * @param {Result[]} list
 */
function medians(list) {
  const sorted = (/** @type {keyof Result} */ name) =>
    list.map((result) => result[name]).sort((a, b) => a - b);
  const of = (/** @type {keyof Result} */ name) => sorted(name)[list.length >> 1];
  return {
    // What a program does to the loop it does in every round; what is in some rounds only the machine did.
    longest: sorted('longest')[0],
    longestOnTheClock: of('longestOnTheClock'),
    nanoseconds: of('nanoseconds'),
    bytes: of('bytes'),
    idle: sorted('idle')[0],
  };
}

/** @param {object} what */
async function serve(what) {
  const child = fork(path.join(__dirname, 'sync', 'server.js'), [JSON.stringify(what)]);
  const [url] = await once(child, 'message');
  const setFlags = async (/** @type {object[]} */ flags) => {
    child.send(flags);
    await once(child, 'message');
  };
  return { child, url, setFlags };
}

/**
 * @param {object} what
 * @param {() => unknown} [onReady]
 * @returns {Promise<Result>}
 */
async function measure(what, onReady = () => {}) {
  const child = fork(MEASURED, [JSON.stringify(what)], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  child.once('message', onReady);
  let text = '';
  child.stdout?.on('data', (piece) => (text += piece));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`a measurement ended with ${code}`);
  return JSON.parse(text);
}
