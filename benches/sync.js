'use strict';

/**
 * What syncing does to the event loop and to memory, against the package that this one replaces, in child processes
 * that take turns; the server is another process. `--large` adds a cohort of 20,000,000. Exits with 1 where a goal is
 * missed.
 */

const { fork } = require('node:child_process');
const { once: onceEmitted } = require('node:events');
const path = require('node:path');
const { bench } = require('./bench');
const { duration, mebibytes, median, table } = require('./measure');
const { flagsOfVersion } = require('./sync/flags');

const PACKAGES = { upstream: '@amplitude/experiment-node-server', ours: path.join(__dirname, '..') };
const MEASURED = path.join(__dirname, 'sync', 'measured.js');

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

/**
 * @typedef {{ title: string, members: number, upstream?: Result, ours: Result }} Cohort upstream cannot hold the large one
 * @typedef {{ title: string, all: boolean, flags: number, upstream: Result, ours: Result }} FlagUpdate
 * @typedef {{ cohorts: Cohort[], updates: FlagUpdate[] }} Found
 */

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Found>}
 */
async function measure({ quick }) {
  const rounds = quick ? 2 : ROUNDS;
  /** @type {Cohort[]} */
  const found = [
    await cohort('15 characters', 'fifteen', rounds),
    await cohort('random UUIDs', 'uuid', rounds),
  ];
  if (process.argv.includes('--large')) found.push(await large());
  return {
    cohorts: found,
    updates: [
      await update('one flag evaluated every 4 ms', false, rounds),
      await update('all flags evaluated every 4 ms', true, rounds),
    ],
  };
}

/**
 * @param {string} title
 * @param {string} kind
 * @param {number} rounds
 */
async function cohort(title, kind, rounds) {
  const server = await serve({ kind, count: MEMBERS });
  const [upstream, ours] = await turns(rounds, (name) =>
    once({ name, url: server.url, scenario: 'cohort', member: 'member-of-it-00' }),
  );
  server.child.disconnect();
  return { title, members: MEMBERS, upstream, ours };
}

async function large() {
  const server = await serve({ kind: 'generated', count: LARGE });
  const { generatedMember } = require('../emulator').Emulator;
  const member = generatedMember({ count: LARGE }, 12_345_678);
  const load = () => once({ name: PACKAGES.ours, url: server.url, scenario: 'cohort', member });
  const ours = medians([await load(), await load()]);
  server.child.disconnect();
  return { title: '15 digits', members: LARGE, ours };
}

/**
 * @param {string} title
 * @param {boolean} all
 * @param {number} rounds
 */
async function update(title, all, rounds) {
  const server = await serve({ kind: 'fifteen', count: 1 });
  let version = 1;
  await server.setFlags(flagsOfVersion(FLAGS, version));
  const [upstream, ours] = await turns(rounds, (name) =>
    once({ name, url: server.url, scenario: 'update', flags: FLAGS, all }, () =>
      server.setFlags(flagsOfVersion(FLAGS, ++version)),
    ),
  );
  server.child.disconnect();
  return { title, all, flags: FLAGS, upstream, ours };
}

/** @param {Found} found */
function report({ cohorts, updates }) {
  let met = true;
  const goal = (/** @type {string} */ what, /** @type {boolean} */ holds) => {
    met &&= holds;
    console.log(`  goal: ${what}: ${holds ? 'met' : 'MISSED'}`);
  };
  console.log(`Syncing, Node ${process.version}: medians, and the least of the longest stalls`);
  for (const { title, members, upstream, ours } of cohorts) {
    console.log(`\nA cohort of ${members.toLocaleString('en')} members, ${title}, through start()`);
    table([
      ['', 'longest stall', 'on the clock', 'start()', 'memory kept', 'a member'],
      ...(upstream ? [['upstream', ...cells(upstream, members)]] : []),
      ['ours', ...cells(ours, members)],
    ]);
    goal(`the loop stands still for at most ${duration(STALL)}`, ours.longest <= STALL);
    if (upstream) goal(`memory is at most ${SHARE} of upstream's`, ours.bytes <= upstream.bytes * SHARE);
  }
  for (const { title, all, flags, upstream, ours } of updates) {
    console.log(`\nAn update of ${flags.toLocaleString('en')} flags, ${title}`);
    table([
      ['', 'longest stall', 'on the clock', 'without an update'],
      ...Object.entries({ upstream, ours }).map(([name, { longest, longestOnTheClock, idle }]) => [
        name,
        ...[longest, longestOnTheClock, idle].map(duration),
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
  return met;
}

/**
 * @param {Result} result
 * @param {number} count
 */
function cells({ longest, longestOnTheClock, nanoseconds, bytes }, count) {
  return [
    ...[longest, longestOnTheClock, nanoseconds].map(duration),
    mebibytes(bytes),
    `${(bytes / count).toFixed(1)} B`,
  ];
}

/**
 * Both packages in turn; the medians of each.
 * @param {number} rounds
 * @param {(name: string) => Promise<Result>} take
 * @returns {Promise<Result[]>}
 */
async function turns(rounds, take) {
  /** @type {Result[][]} */
  const results = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [index, name] of Object.values(PACKAGES).entries()) results[index].push(await take(name));
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
  const of = (/** @type {keyof Result} */ name) => median(list.map((result) => result[name]));
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
  const [url] = await onceEmitted(child, 'message');
  const setFlags = async (/** @type {object[]} */ flags) => {
    child.send(flags);
    await onceEmitted(child, 'message');
  };
  return { child, url, setFlags };
}

/**
 * @param {object} what
 * @param {() => unknown} [onReady]
 * @returns {Promise<Result>}
 */
async function once(what, onReady = () => {}) {
  const child = fork(MEASURED, [JSON.stringify(what)], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  child.once('message', onReady);
  let text = '';
  child.stdout?.on('data', (piece) => (text += piece));
  const [code] = await onceEmitted(child, 'close');
  if (code !== 0) throw new Error(`a measurement ended with ${code}`);
  return JSON.parse(text);
}

bench(module, { measure, report });
