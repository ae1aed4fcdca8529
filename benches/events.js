'use strict';

/**
 * What tracking costs: on the event loop against the package that this one replaces (tracked evaluations minus plain
 * ones, taking turns in one process), while 50,000 events are delivered, and in memory while a server hangs.
 * `--quick` hangs for 5 seconds and not for 30. Exits with 1 where a goal is missed.
 */

const { fork } = require('node:child_process');
const { performance } = require('node:perf_hooks');
const path = require('node:path');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { realisticFlags, realisticUser } = require('./flags');
const { bench } = require('./bench');
const { duration, mebibytes, median, table } = require('./measure');
const { ran } = require('./processor');

/**
 * Flags, evaluations a turn of upstream and of ours, which is so quick that its clock needs more of them, and how many
 * times less than upstream's tracking ours has to cost.
 */
const COSTS = [
  { flags: 20, counts: [100, 10_000], goal: 50 },
  { flags: 1000, counts: [3, 1000], goal: 1000 },
];
const TURNS = 7;
/** The loop has nothing to do once it has been idle for most of such a time. */
const WINDOW_MILLIS = 40;
const IDLE = 0.1;

const sleep = (/** @type {number} */ millis) => new Promise((resolve) => setTimeout(resolve, millis));
const STALL_MILLIS = 5;
const QUEUED = 50_000;
const RATE = 2000;
const MAX_QUEUED_BYTES = 8 << 20;
/** What else grows meanwhile: the heap's own room, requests under way, threads. */
const SLACK_BYTES = 48 << 20;

/**
 * @typedef {object} Cost nanoseconds of an evaluation, and what tracking adds
 * @property {number} flags
 * @property {number} goal
 * @property {{ plain: number, adds: number }} upstream
 * @property {{ plain: number, adds: number }} ours
 *
 * @typedef {object} Result
 * @property {Cost[]} costs
 * @property {{ tracked: number, taken: number, nanoseconds: number, longest: number }} delivery
 * @property {{ seconds: number, tracked: number, most: number }} hanging `most` in bytes
 */

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Result>}
 */
async function measure({ quick }) {
  const { child: server, first: url } = await start('server.js', []);
  const found = await costs(url);
  server.disconnect();
  return { costs: found, delivery: await delivery(), hanging: await hanging(quick ? 5 : 30) };
}

/**
 * @param {any} library
 * @param {number} flags
 * @param {string} url
 */
function clients(library, flags, url) {
  const bootstrap = Object.fromEntries(realisticFlags(flags).map((flag) => [flag.key, flag]));
  const exposureConfig = {
    apiKey: 'api-key',
    serverUrl: `${url}/2/httpapi`,
    // Nothing is sent while it is measured: what counts is the recording.
    flushIntervalMillis: 2_000_000_000,
    flushQueueSize: 1e9,
    logLevel: 0,
  };
  return {
    plain: new library.LocalEvaluationClient('server-key', { bootstrap, logLevel: 0 }),
    tracked: new library.LocalEvaluationClient('server-key', { bootstrap, exposureConfig, logLevel: 0 }),
  };
}

let users = 0;

/**
 * Nanoseconds of the event loop's thread that an evaluation takes, with all that it leaves to later turns: until the loop
 * has nothing to do. Every user is a new one. Where the system says how long a thread has run, what others make of the
 * machine meanwhile does not count.
 * @param {any} client
 * @param {number} calls
 * @param {boolean} tracksExposure
 */
async function cost(client, calls, tracksExposure) {
  const list = Array.from({ length: calls }, () => ({ ...realisticUser(0), user_id: `user-${users++}` }));
  await sleep(1);
  const begin = performance.eventLoopUtilization();
  const ranBefore = ran();
  for (const user of list) client.evaluateV2(user, undefined, { tracksExposure });
  for (;;) {
    const before = performance.eventLoopUtilization();
    await sleep(WINDOW_MILLIS);
    if (performance.eventLoopUtilization(before).utilization < IDLE) break;
  }
  const ranNow = ran();
  const active = performance.eventLoopUtilization(begin).active * 1e6;
  return (ranNow !== undefined && ranBefore !== undefined ? ranNow - ranBefore : active) / calls;
}

/** @param {string} url */
async function costs(url) {
  const found = [];
  for (const { flags, counts, goal } of COSTS) {
    const both = [clients(upstream, flags, url), clients(ours, flags, url)];
    for (const [index, { plain, tracked }] of both.entries()) {
      await cost(plain, counts[index], false);
      await cost(tracked, counts[index], true);
    }
    const times = both.map(() => ({
      plain: /** @type {number[]} */ ([]),
      adds: /** @type {number[]} */ ([]),
    }));
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, { plain, tracked }] of both.entries()) {
        const without = await cost(plain, counts[index], false);
        times[index].plain.push(without);
        times[index].adds.push((await cost(tracked, counts[index], true)) - without);
      }
    }
    const [theirs, our] = times.map(({ plain, adds }) => ({ plain: median(plain), adds: median(adds) }));
    found.push({ flags, goal, upstream: theirs, ours: our });
  }
  return found;
}

/**
 * @param {string} file
 * @param {string[]} args
 * @returns {Promise<{ child: import('node:child_process').ChildProcess, first: any }>} with its first message
 */
function start(file, args) {
  const child = fork(path.join(__dirname, 'events', file), args, { execArgv: ['--expose-gc'] });
  return new Promise((resolve, reject) => {
    child.once('message', (first) => resolve({ child, first }));
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
}

/** @param {import('node:child_process').ChildProcess} server */
function takenBy(server) {
  return new Promise((resolve) => {
    server.once('message', resolve);
    server.send('taken');
  });
}

async function delivery() {
  const { child: server, first: url } = await start('server.js', []);
  const { first } = await start('measured.js', [
    JSON.stringify({ scenario: 'deliver', url, events: QUEUED }),
  ]);
  const taken = await takenBy(server);
  server.disconnect();
  return { ...first, taken };
}

/** @param {number} seconds */
async function hanging(seconds) {
  const { child: server, first: url } = await start('server.js', ['hang']);
  const options = { scenario: 'hang', url, rate: RATE, seconds, maxQueuedBytes: MAX_QUEUED_BYTES };
  const { first } = await start('measured.js', [JSON.stringify(options)]);
  server.disconnect();
  return { ...first, seconds };
}

/** @param {Result} result */
function report({ costs, delivery, hanging }) {
  let met = true;
  const goal = (/** @type {boolean} */ holds) => {
    met &&= holds;
    return holds ? 'met' : 'MISSED';
  };
  console.log(`tracking, medians of ${TURNS} turns in one process, Node ${process.version}`);
  table([
    ['flags', 'upstream: plain', 'tracking adds', 'ours: plain', 'tracking adds', 'less', 'goal', ''],
    ...costs.map(({ flags, goal: wanted, upstream, ours }) => {
      const less = upstream.adds / ours.adds;
      return [
        String(flags),
        ...[upstream.plain, upstream.adds, ours.plain, ours.adds].map(duration),
        `${less.toFixed(0)}x`,
        `${wanted}x`,
        goal(ours.adds > 0 && less >= wanted),
      ];
    }),
  ]);
  const { tracked, taken, nanoseconds, longest } = delivery;
  console.log(
    `${tracked} queued events delivered in ${duration(nanoseconds)}, ${taken} taken: ${goal(taken === tracked)}; ` +
      `longest stall ${duration(longest)}, goal ${STALL_MILLIS} ms: ${goal(longest <= STALL_MILLIS * 1e6)}`,
  );
  const cap = MAX_QUEUED_BYTES + SLACK_BYTES;
  const { seconds, most } = hanging;
  console.log(
    `the server hangs for ${seconds} s at ${RATE} events a second (${hanging.tracked} tracked): memory grows by ` +
      `${mebibytes(most)}, bound ${mebibytes(cap)} (queue ${mebibytes(MAX_QUEUED_BYTES)}): ${goal(most <= cap)}`,
  );
  return met;
}

bench(module, { measure, report });
