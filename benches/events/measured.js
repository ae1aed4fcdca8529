'use strict';

/** One measurement of the events bench, in a process of its own: `node --expose-gc measured.js JSON`. Prints JSON. */

const { StallMeter } = require('../stall');
const { realisticFlags, realisticUser } = require('../flags');

const {
  scenario,
  url,
  events,
  flags = 50,
  rate = 0,
  seconds = 0,
  maxQueuedBytes,
} = JSON.parse(process.argv[2]);
const { LocalEvaluationClient } = require('../..');

const sleep = (/** @type {number} */ millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** Milliseconds between two bursts of evaluations. */
const PAUSE = 10;

let users = 0;

const scenarios = { deliver, hang };

scenarios[/** @type {keyof typeof scenarios} */ (scenario)]().then(
  (result) => process.send?.(result, () => process.exit()),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

/** @param {object} options */
function newClient(options) {
  const bootstrap = Object.fromEntries(realisticFlags(flags).map((flag) => [flag.key, flag]));
  /** @type {any} */
  const config = {
    bootstrap,
    exposureConfig: { apiKey: 'api-key', serverUrl: `${url}/2/httpapi`, ...options },
    logLevel: 0,
  };
  return new LocalEvaluationClient('server-key', config);
}

/**
 * Evaluates a user not seen before.
 * @param {InstanceType<typeof LocalEvaluationClient>} client
 * @returns {number} how many events that makes
 */
function track(client) {
  const user = { ...realisticUser(0), user_id: `user-${users++}` };
  const variants = Object.values(client.evaluateV2(user, undefined, { tracksExposure: true }));
  // To be given a default is no exposure.
  return variants.filter(({ metadata }) => !(metadata && metadata.default)).length;
}

/** So many events wait, then all are delivered: how long the loop stands still meanwhile. */
async function deliver() {
  const client = newClient({ flushIntervalMillis: 3_600_000, flushQueueSize: 1_000_000 });
  let tracked = 0;
  while (tracked < events) {
    for (let i = 0; i < 10 && tracked < events; i++) tracked += track(client);
    await sleep(1);
  }
  const meter = new StallMeter();
  const begin = process.hrtime.bigint();
  await client.flush();
  const nanoseconds = Number(process.hrtime.bigint() - begin);
  return { ...(await meter.stop()), tracked, nanoseconds };
}

/** Events keep coming while the server takes none: what memory the queue takes. */
async function hang() {
  const client = newClient({ flushIntervalMillis: 100, maxQueuedBytes, flushMaxRetries: 1000 });
  const { gc } = /** @type {any} */ (globalThis);
  for (let i = 0; i < 50; i++) track(client);
  gc();
  await sleep(100);
  gc();
  const before = process.memoryUsage().rss;
  const begin = Date.now();
  let tracked = 0;
  let most = 0;
  while (Date.now() - begin < seconds * 1000) {
    while (tracked < ((Date.now() - begin) / 1000) * rate) tracked += track(client);
    await sleep(PAUSE);
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  gc();
  return { tracked, most, kept: process.memoryUsage().rss - before };
}
