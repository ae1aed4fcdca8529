'use strict';

/**
 * Clients and worker threads that come and go must leave a process as it was: memory, threads, file descriptors,
 * handles.
 *
 *   node scripts/soak-clients.js [--clients 10000] [--workers 1000]
 *
 * Clients are created, started and dropped, in every way: stopped, closed, or just forgotten; by polling and by
 * streaming, alone and sharing, with events under way. Workers are terminated at any moment of that. The process is
 * measured when pools and caches are warm (after the first fifth, or half of a few), and at the end. Exits with 1 if it has grown.
 */

const { fork } = require('node:child_process');
const fs = require('node:fs');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { once } = require('node:events');

const EMULATOR = 'emulator';
const MEASURED = 'measured';
/** Clients alive at once, and workers. */
const CLIENTS_AT_ONCE = 50;
const WORKERS_AT_ONCE = 4;
/** So many warm a process up, if there are to be twice as many. */
const WARM = 1000;
/**
 * What the process may have grown by between the two measurements. The heap takes about two thousand clients to settle,
 * so that a short run sees large leaks only: in the full one this is three kilobytes a client.
 */
const ALLOWED = { memory: 24 * 2 ** 20, heap: 2 ** 20, threads: 0, descriptors: CLIENTS_AT_ONCE, handles: 0 };

/**
 * @param {string} name
 * @param {number} otherwise
 */
function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
}

/** The emulator, in a process of its own: what it remembers is not to be measured. */
async function serve() {
  const { Emulator } = require('../emulator');
  const { realisticFlags } = require('../benches/flags');
  const emulator = await Emulator.start({ flags: realisticFlags(20), historyLimit: 1 });
  process.on('disconnect', () => process.exit());
  process.on('message', () => answer({ streams: emulator.openStreams }));
  answer({ url: emulator.url });
}

/** @param {object} message */
function answer(message) {
  if (process.send) process.send(message);
}

/**
 * A client that has started, and whatever it was doing.
 * @param {string} url
 * @param {number} number
 */
function client(url, number) {
  const { LocalEvaluationClient } = require('..');
  const local = new LocalEvaluationClient('server-key', {
    serverUrl: url,
    flagConfigPollingIntervalMillis: 50,
    streamUpdates: number % 2 === 0,
    streamServerUrl: url,
    shareAcrossWorkers: number % 3 === 0,
    logLevel: 0,
    exposureConfig:
      number % 4 === 0
        ? { apiKey: 'api', serverUrl: `${url}/2/httpapi`, flushIntervalMillis: 10, logLevel: 0 }
        : undefined,
  });
  return { local, started: local.start() };
}

/**
 * @param {string} url
 * @param {number} number
 */
async function comeAndGo(url, number) {
  const { local, started } = client(url, number);
  // Every fifth is left while it starts.
  if (number % 5 > 0) await started;
  local.evaluateV2({ user_id: `user-${number}` }, undefined, { tracksExposure: true });
  if (number % 7 < 3) local.stop();
  else if (number % 7 === 3) await local.close();
  // The others are dropped as they are. A process that does nothing else would let its garbage pile up.
  if (number % 100 === 0) /** @type {any} */ (global).gc();
}

/** What a worker does until it is terminated. */
async function work() {
  const { url, number } = workerData;
  for (let i = 0; ; i++) await comeAndGo(url, number + i);
}

/** @param {string} url @param {number} number */
async function workerComesAndGoes(url, number) {
  const worker = new Worker(__filename, { workerData: { url, number } });
  await once(worker, 'online');
  await new Promise((resolve) => setTimeout(resolve, number % 100));
  await worker.terminate();
}

/**
 * @typedef {{ memory: number, heap: number, threads: number, descriptors: number, handles: number }} Measured
 * @param {() => Promise<number>} openStreams
 * @returns {Promise<Measured>}
 */
async function measure(openStreams) {
  // Clients that were dropped go with the garbage; then events linger for five seconds, threads for ten, and idle
  // connections for 50 to 100: the pool looks through them every 50.
  for (let i = 0; i < (settled.threads > 0 ? 1200 : 120); i++) {
    /** @type {any} */ (global).gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const isSettled = threads() <= settled.threads && descriptors() <= settled.descriptors;
    if (i > 55 && isSettled && (await openStreams()) === 0) break;
  }
  const { rss, heapUsed } = process.memoryUsage();
  return {
    memory: rss,
    heap: heapUsed,
    threads: threads(),
    descriptors: descriptors(),
    handles: process.getActiveResourcesInfo().length,
  };
}

/** What there was at the last measurement. */
const settled = { threads: 0, descriptors: 0 };

/** Of this process, where the system tells; otherwise 0. */
function threads() {
  const status = '/proc/self/status';
  if (!fs.existsSync(status)) return 0;
  return Number((/^Threads:\s*(\d+)/m.exec(fs.readFileSync(status, 'utf8')) || [])[1]);
}

function descriptors() {
  return fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0;
}

/**
 * Runs a number of things, so many at once, and compares the process when it is warm and at the end.
 * @param {string} name
 * @param {number} count
 * @param {number} atOnce
 * @param {(number: number) => Promise<void>} one
 * @param {() => Promise<number>} openStreams
 */
async function phase(name, count, atOnce, one, openStreams) {
  const warm = Math.ceil(Math.max(count / 5, Math.min(count / 2, WARM)));
  let next = 0;
  const run = async (/** @type {number} */ end) => {
    const line = async () => {
      while (next < end) await one(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, line));
  };
  await run(warm);
  const before = await measure(openStreams);
  Object.assign(settled, { threads: before.threads, descriptors: before.descriptors });
  show(`${warm} ${name}`, before);
  await run(count);
  const after = await measure(openStreams);
  show(`${count} ${name}`, after);
  const streams = await openStreams();
  if (streams > 0) fail(`${streams} streams are still open`);
  for (const [what, allowed] of Object.entries(ALLOWED)) {
    const key = /** @type {keyof Measured} */ (what);
    const grown = after[key] - before[key];
    if (grown > allowed) fail(`${name}: ${what} has grown by ${grown}, allowed are ${allowed}`);
  }
}

/** @param {string} message */
function fail(message) {
  console.log(`FAILED: ${message}`);
  process.exitCode = 1;
}

/** @param {string} name @param {Measured} measured */
function show(name, { memory, heap, threads, descriptors, handles }) {
  const mib = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `${name.padStart(14)}: resident ${mib(memory)}, heap ${mib(heap)}, ` +
      `${threads} threads, ${descriptors} descriptors, ${handles} handles`,
  );
}

async function main() {
  const emulator = fork(__filename, [EMULATOR]);
  const [{ url }] = await once(emulator, 'message');
  const openStreams = async () => {
    emulator.send('streams');
    const [{ streams }] = await once(emulator, 'message');
    return streams;
  };
  console.log('after so many that came and went:');
  const clients = option('clients', 10_000);
  const workers = option('workers', 1000);
  if (clients > 0)
    await phase('clients', clients, CLIENTS_AT_ONCE, (number) => comeAndGo(url, number), openStreams);
  if (workers > 0) {
    await phase(
      'workers',
      workers,
      WORKERS_AT_ONCE,
      (number) => workerComesAndGoes(url, number),
      openStreams,
    );
  }
  emulator.disconnect();
  process.disconnect();
  console.log(process.exitCode ? 'grown' : 'flat');
}

if (!isMainThread) work();
else if (process.argv[2] === EMULATOR) serve();
else if (process.argv[2] === MEASURED) main();
else {
  // glibc gives each thread heaps of its own, and how full these are left is a matter of chance: with one heap for all
  // a leak shows as what it is.
  const env = { ...process.env, MALLOC_ARENA_MAX: '1' };
  const child = fork(__filename, [MEASURED, ...process.argv.slice(2)], { execArgv: ['--expose-gc'], env });
  child.on('exit', (code) => (process.exitCode = code === null ? 1 : code));
}
