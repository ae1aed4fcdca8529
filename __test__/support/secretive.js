'use strict';

/**
 * A program that has everything happen which is logged or thrown, with loggers at their most talkative, and prints all that
 * it can get hold of: clients, their configurations, errors. `node secretive.js SPOOL KEYS [calmly]`, with a directory for the
 * spool and the keys as JSON. Its output is to be looked through for the keys. Its last line says what the server was sent.
 *
 * `calmly` is for machines that run a fiftieth as fast, under valgrind: one server goes wrong at a time, fewer of them do, and
 * only what is logged is printed.
 */

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const util = require('node:util');
const experiment = require('../..');
const { Emulator } = require('../../emulator');

const { LocalEvaluationClient, RemoteEvaluationClient, Experiment, LogLevel } = experiment;
const [spool, json, calmly] = process.argv.slice(2);
const keys = JSON.parse(json);
const USER = { user_id: 'member', device_id: 'd' };
const FLAGS = [
  { key: 'flag', variants: { on: { key: 'on', value: 'on' } }, segments: [{ variant: 'on' }] },
  {
    key: 'targeted',
    variants: { on: { key: 'on' } },
    segments: [
      {
        conditions: [
          [{ selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: ['c1'] }],
        ],
        variant: 'on',
      },
    ],
  },
  { key: 'broken', segments: 7 },
];

const WORLD = {
  flags: FLAGS,
  cohorts: [{ cohortId: 'c1', groupType: 'User', memberIds: ['member'] }],
};

/** Everything that printing makes of a value. @param {any} value */
function show(value) {
  if (calmly) return;
  console.log(value);
  console.log('%s %o %O %j', value, value, value, value);
  console.log(util.inspect(value, { depth: Infinity, showHidden: true, getters: true }));
  if (value instanceof Error) console.log(value.stack, value.message, { .../** @type {any} */ (value) });
}

/** @param {Promise<any>} promise */
const shown = (promise) => promise.then(show, show);

/** @param {any} emulator @param {any} [more] */
function configuration({ url }, more) {
  const tracking = {
    apiKey: keys.tracking,
    serverUrl: `${url}/2/httpapi`,
    flushIntervalMillis: 10,
    logLevel: 4,
  };
  return {
    serverUrl: url,
    streamServerUrl: url,
    // So that there are events where flags cannot be had.
    bootstrap: { flag: FLAGS[0] },
    flagConfigPollingIntervalMillis: 50,
    streamFlagConnTimeoutMillis: 2000,
    logLevel: LogLevel.Verbose,
    cohortSyncConfig: { apiKey: keys.api, secretKey: keys.secret, cohortServerUrl: url },
    exposureConfig: { ...tracking, spoolDirectory: spool },
    assignmentConfig: { ...tracking, flushMaxRetries: 2 },
    ...more,
  };
}

/** A local client from its beginning to its end. @param {any} client */
async function live(client) {
  show(client);
  show(client.config);
  await shown(client.start());
  for (let i = 0; i < 3; i++) {
    show(client.evaluateV2({ ...USER, user_id: `u${i}` }, undefined, { tracksExposure: true }));
    await sleep(60);
  }
  show(client);
  await shown(client.close({ timeoutMillis: 300 }));
}

/** @param {any} client */
async function fetched(client) {
  show(client);
  show(client.config);
  await shown(client.fetchV2(USER, { flagKeys: ['flag'], tracksExposure: true }));
  await shown(client.fetch(USER));
}

/** @param {any} [more] */
const remote = (emulator, more) => ({
  serverUrl: emulator.url,
  logLevel: LogLevel.Verbose,
  // Answers are what is wanted here, from a busy machine too.
  fetchTimeoutMillis: 5000,
  fetchRetryTimeoutMillis: 5000,
  fetchRetries: 1,
  fetchRetryBackoffMinMillis: 1,
  ...more,
});

/** Answers that quote all that the request has, and faults without an answer. */
const FAULTS = [
  ...[200, 400, 401, 403, 413, 429, 500, 503].map((status) => (/** @type {any} */ request) => ({
    kind: 'status',
    status,
    body: `${quoted(request)}{"code":${status},"error":"${quoted(request)}"}`,
  })),
  (/** @type {any} */ request) => ({
    kind: 'status',
    status: 400,
    body: { code: 400, error: `Invalid API key: ${quoted(request)}` },
  }),
  ...['reset', 'cut', 'wrong-json', 'wrong-type', 'redirect'].map((kind) => () => ({ kind })),
];

const ALL = [['flags', 'variants', 'cohort', 'stream', 'events'], ['cohort']];

/** Every fault with every set of endpoints at once; of a calm run, each kind of fault once and one after the other. */
async function sufferAll() {
  const broken = FAULTS.flatMap((fault) => ALL.map((endpoints) => ({ fault, endpoints })));
  if (!calmly) return Promise.all(broken.map(({ fault, endpoints }) => suffer(fault, endpoints)));
  const requests = [];
  for (const fault of FAULTS.slice(-CALM_FAULTS)) requests.push(await suffer(fault, ALL[0]));
  return requests;
}
/** The last: a quoting refusal, and those without an answer. */
const CALM_FAULTS = 6;

/**
 * Clients of a server that goes wrong. @param {any} fault @param {any[]} endpoints
 * @returns {Promise<any[]>} what it was asked
 */
async function suffer(fault, endpoints) {
  const emulator = await Emulator.start(WORLD);
  for (const endpoint of endpoints) emulator.fail(endpoint, fault);
  const httpAgent = new http.Agent();
  await Promise.all([
    live(new LocalEvaluationClient(keys.deployment, configuration(emulator))),
    live(new LocalEvaluationClient(keys.deployment, configuration(emulator, { streamUpdates: true }))),
    fetched(new RemoteEvaluationClient(keys.deployment, remote(emulator))),
    fetched(new RemoteEvaluationClient(keys.deployment, remote(emulator, { httpAgent }))),
  ]);
  const { requests } = emulator;
  await emulator.close();
  return requests;
}

/** @param {string} name in the spool */
function sizeOf(name) {
  const stat = fs.statSync(path.join(spool, name), { throwIfNoEntry: false });
  return stat && stat.isFile() ? stat.size : 0;
}

/** @param {any} request */
function quoted({ headers, body }) {
  const authorization = String(headers.authorization || '').replace(/^\S+ /, '');
  const { api_key } = body.startsWith('{') ? JSON.parse(body) : { api_key: '' };
  const [api, secret] = Buffer.from(authorization, 'base64').toString().split(':');
  return [authorization, api_key, ...(secret ? [api, secret] : [])].join(' ');
}

(async () => {
  const emulator = await Emulator.start(WORLD);
  show(experiment);
  // All is well.
  await live(new LocalEvaluationClient(keys.deployment, /** @type {any} */ (configuration(emulator))));
  await live(Experiment.initializeLocal(keys.deployment, configuration(emulator, { streamUpdates: true })));
  await live(
    new LocalEvaluationClient(keys.deployment, configuration(emulator, { shareAcrossWorkers: true })),
  );
  await fetched(new RemoteEvaluationClient(keys.deployment, remote(emulator)));
  await fetched(Experiment.initializeRemote(keys.deployment, remote(emulator)));
  show(Experiment);
  // Through a caller's agent.
  const httpAgent = new http.Agent({ keepAlive: true });
  await fetched(new RemoteEvaluationClient(keys.deployment, remote(emulator, { httpAgent })));
  // Servers that go wrong, for everybody or for cohorts alone.
  const requests = await sufferAll();
  // No server, and no URL.
  for (const serverUrl of ['http://127.0.0.1:1', 'http://[nowhere', 'nothing', 'http://name.invalid']) {
    const urls = { serverUrl, streamServerUrl: serverUrl, streamUpdates: true };
    await live(new LocalEvaluationClient(keys.deployment, configuration(emulator, urls)));
    await fetched(new RemoteEvaluationClient(keys.deployment, remote({ url: serverUrl })));
  }
  // Keys that no header can carry.
  for (const end of ['\n', '\u{1f511}']) {
    await live(new LocalEvaluationClient(`${keys.deployment}${end}`, configuration(emulator)));
    await fetched(new RemoteEvaluationClient(`${keys.deployment}${end}`, remote(emulator)));
    await fetched(new RemoteEvaluationClient(`${keys.deployment}${end}`, remote(emulator, { httpAgent })));
  }
  // Events that are left behind.
  emulator.fail('events', { kind: 'status', status: 503 });
  const last = new LocalEvaluationClient(keys.deployment, configuration(emulator));
  await last.start();
  last.evaluateV2(USER, undefined, { tracksExposure: true });
  while (!fs.readdirSync(spool, { recursive: true }).some((name) => sizeOf(String(name)) > 0))
    await sleep(10);
  const sent = [...emulator.requests, ...requests.flat()].map(
    ({ headers, body }) => `${headers.authorization} ${body}`,
  );
  const basic = Buffer.from(`${keys.api}:${keys.secret}`).toString('base64');
  const used = { deployment: keys.deployment, basic, tracking: keys.tracking };
  const counts = Object.entries(used).map(
    ([name, key]) => `${name}=${sent.filter((s) => s.includes(key)).length}`,
  );
  await emulator.close();
  console.log(`sent ${counts.join(' ')}`);
  process.exit(0);
})();
