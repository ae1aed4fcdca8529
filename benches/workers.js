'use strict';

/**
 * What eight worker threads cost, each with a started local client that streams flags and targets by a cohort:
 * the original, this package, and this package with `shareAcrossWorkers`.
 *
 *   node benches/workers.js [--workers 8] [--members 1000000]
 *
 * Every contender runs in a process of its own; an emulator in this one counts its connections. Memory is the
 * process's resident set after garbage collections, above that of a process with as many idle workers. Exits with 1 when a goal is missed.
 */

const { fork } = require('node:child_process');
const { Worker, parentPort, workerData, isMainThread } = require('node:worker_threads');
const { once } = require('node:events');
const { Emulator } = require('../emulator');
const { table } = require('./measure');

const PACKAGES = { upstream: '@amplitude/experiment-node-server', alone: '..', shared: '..' };
const NAMES = { upstream: 'original', alone: 'this package', shared: 'this package, shared' };
/** @typedef {keyof typeof PACKAGES} Contender */

const GENERATE = { count: option('members', 1e6), kind: /** @type {const} */ ('uuid') };
const WORKERS = option('workers', 8);

/**
 * @param {string} name
 * @param {number} otherwise
 */
function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(process.argv[index + 1]);
}

async function main() {
  const cohort = { cohortId: 'big', generate: GENERATE };
  const member = Emulator.generatedMember(GENERATE, GENERATE.count - 1);
  const emulator = await Emulator.start({ flags: [targeting('big')], cohorts: [cohort] });
  const idle = await measure(emulator, 'idle', member);
  /** @type {Record<string, Measured>} */
  const found = {};
  for (const contender of /** @type {Contender[]} */ (Object.keys(PACKAGES))) {
    found[contender] = await measure(emulator, contender, member);
  }
  await emulator.close();

  const above = (/** @type {number} */ bytes) => (bytes - idle.started) / 2 ** 20;
  const memory = (/** @type {string} */ contender) => above(found[contender].started);
  console.log(
    `${WORKERS} workers, a cohort of ${GENERATE.count} members; Node ${process.version}, ${process.platform}`,
  );
  table([
    ['', 'memory', 'peak', 'after the workers', 'connections', 'streams', 'cohort downloads'],
    ...Object.entries(found).map(([contender, { started, peak, ended, ...counts }]) => [
      NAMES[/** @type {Contender} */ (contender)],
      ...[started, peak, ended].map((bytes) => `${above(bytes).toFixed(0)} MiB`),
      ...[counts.connections, counts.streams, counts.downloads].map(String),
    ]),
  ]);
  const { shared } = found;
  goals([
    ['shared: one stream', shared.streams === 1],
    ['shared: two connections in all', shared.connections === 2],
    ['shared: one download of the cohort', shared.downloads === 1],
    ['shared: a third of the memory of clients that do not share', memory('shared') * 3 <= memory('alone')],
    ['shared: a tenth of the original’s memory', memory('shared') * 10 <= memory('upstream')],
  ]);
}

/** @param {[string, boolean][]} list */
function goals(list) {
  for (const [goal, reached] of list) {
    console.log(`${reached ? 'reached' : 'MISSED'}: ${goal}`);
    if (!reached) process.exitCode = 1;
  }
}

/**
 * A flag that is on for members of the cohort.
 * @param {string} cohort
 */
function targeting(cohort) {
  const condition = {
    selector: ['context', 'user', 'cohort_ids'],
    op: 'set contains any',
    values: [cohort],
  };
  return {
    key: 'flag',
    variants: { on: { key: 'on', value: 'on' } },
    segments: [{ conditions: [[condition]], variant: 'on' }],
  };
}

/**
 * @typedef {{ started: number, peak: number, ended: number, connections: number, streams: number, downloads: number }} Measured
 * @param {Emulator} emulator
 * @param {Contender | 'idle'} contender
 * @param {string} member
 * @returns {Promise<Measured>}
 */
async function measure(emulator, contender, member) {
  emulator.clearHistory();
  const child = fork(__filename, ['--workers', String(WORKERS)], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, BENCH_CONTENDER: contender, BENCH_URL: emulator.url, BENCH_MEMBER: member },
  });
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit').then(failed)]);
  const { started, peak } = message;
  const counts = {
    connections: new Set(emulator.requests.map(({ connection }) => connection)).size,
    streams: emulator.openStreams,
    downloads: emulator.requestsTo('cohort').length,
  };
  child.send('end');
  const [{ ended }] = await Promise.race([once(child, 'message'), once(child, 'exit').then(failed)]);
  child.disconnect();
  await once(child, 'exit');
  await emulator.waitForStreams(0);
  return { started, peak, ended, ...counts };
}

/** @returns {never} */
function failed() {
  throw new Error('a contender has failed');
}

/** One contender: its workers, and what they take. */
async function contend() {
  const workers = Array.from(
    { length: WORKERS },
    () => new Worker(__filename, { workerData: { ...process.env } }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await Promise.all(
    workers.map((worker) => {
      worker.postMessage('collect');
      return once(worker, 'message');
    }),
  );
  const started = await resident();
  send({ started, peak: process.resourceUsage().maxRSS * 1024 });
  await once(process, 'message');
  await Promise.all(workers.map((worker) => worker.terminate()));
  // What the native side lets go of, it lets go of on its own threads.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  send({ ended: await resident() });
}

/** @param {object} message */
function send(message) {
  if (process.send) process.send(message);
}

async function resident() {
  for (let i = 0; i < 3; i++) {
    /** @type {any} */ (global).gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss();
}

/** One worker: a client that has started and has evaluated. */
async function work() {
  const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
  const { BENCH_CONTENDER: contender, BENCH_URL: url, BENCH_MEMBER: member } = workerData;
  port.on('message', () => {
    /** @type {any} */ (global).gc();
    port.postMessage('collected');
  });
  if (contender !== 'idle') {
    const { LocalEvaluationClient } = require(PACKAGES[/** @type {Contender} */ (contender)]);
    const client = new LocalEvaluationClient('server-key', {
      serverUrl: url,
      streamUpdates: true,
      streamServerUrl: url,
      streamFlagConnTimeoutMillis: 120_000,
      cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url },
      shareAcrossWorkers: contender === 'shared',
    });
    await client.start();
    for (const [user_id, expected] of [
      [member, 'on'],
      ['nobody', undefined],
    ]) {
      const { flag } = client.evaluateV2({ user_id });
      if ((flag && flag.key) !== expected) throw new Error(`${contender}: wrong for ${user_id}`);
    }
    /** @type {any} */ (global).client = client;
  }
  port.postMessage('started');
}

if (!isMainThread) work();
else if (process.env.BENCH_CONTENDER) contend();
else main();
