'use strict';

/**
 * A scenario for every point that no call of JavaScript's passes by itself: tasks, threads, what is delivered to JavaScript, and
 * finalizers. Each has its point panic and asserts what is to be seen of it, and that all goes on afterwards. Each runs in a process of
 * its own: what is shared by a process is met in its first state.
 */

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { LocalEvaluationClient, RemoteEvaluationClient } = require('../..');
const { Emulator } = require('../../emulator');
const native = /** @type {any} */ (require('../../native/index.js'));

const PANIC = 'ERR_EXPERIMENT_PANIC';
const PATIENCE_MILLIS = 60_000;
const USER = { user_id: 'member' };

/** @param {string} text @param {any} [segment] */
const flag = (text, segment = {}) => ({
  key: 'flag',
  variants: { on: { key: 'on', value: text } },
  segments: [{ variant: 'on', ...segment }],
});

/** For members of a cohort. */
const TARGETED = {
  conditions: [[{ selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: ['c1'] }]],
};

/** What a scenario plays on. */
class Stage {
  /** @param {string} point */
  static async open(point) {
    const cohorts = [{ cohortId: 'c1', groupType: 'User', memberIds: ['member'] }];
    const emulator = await Emulator.start({ flags: [flag('v1')], cohorts });
    return new Stage(point, emulator, fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-panics-')));
  }

  /** @param {string} point @param {Emulator} emulator @param {string} directory */
  constructor(point, emulator, directory) {
    this.point = point;
    this.emulator = emulator;
    this.directory = directory;
    /** Errors that have been logged, as text with their codes. @type {string[]} */
    this.errors = [];
    const take = (/** @type {any} */ message, /** @type {any[]} */ ...parts) =>
      void this.errors.push([message, ...parts.flat().map((part) => (part && part.code) || part)].join(' '));
    const ignore = () => {};
    this.logging = {
      logLevel: 5,
      loggerProvider: { error: take, warn: ignore, info: ignore, debug: ignore, verbose: ignore },
    };
  }

  /** The point panics the next time that it is passed. */
  arm() {
    native.injectPanic(this.point);
  }

  /** @param {any} [config] @param {any} [httpClient] @returns {any} */
  local(config, httpClient) {
    const defaults = { serverUrl: this.emulator.url, flagConfigPollingIntervalMillis: 100, ...this.logging };
    const client = new LocalEvaluationClient('server-key', { ...defaults, ...config }, undefined, httpClient);
    this.client = client;
    return client;
  }

  /** @param {any} [config] */
  remote(config) {
    const defaults = { serverUrl: this.emulator.url, fetchTimeoutMillis: 30_000, fetchRetries: 0 };
    return new RemoteEvaluationClient('server-key', { ...defaults, ...config });
  }

  /** A client that has started, and exposes. @param {any} [exposure] */
  async tracking(exposure) {
    const serverUrl = `${this.emulator.url}/2/httpapi`;
    const exposureConfig = {
      apiKey: 'api',
      serverUrl,
      flushIntervalMillis: 10,
      ...this.logging,
      ...exposure,
    };
    const client = this.local({ exposureConfig });
    await client.start();
    return client;
  }

  logged() {
    return until(() => this.errors.some((line) => line.includes(PANIC)), 'an error in the log');
  }

  async close() {
    if (this.client) this.client.stop();
    await this.emulator.close();
    fs.rmSync(this.directory, { recursive: true });
  }
}

/** @param {() => unknown} isMet @param {string} what */
async function until(isMet, what) {
  for (const end = Date.now() + PATIENCE_MILLIS; !(await isMet()); await sleep(10))
    if (Date.now() > end) throw new Error(`never: ${what}`);
}

/** @param {any} client */
const value = (client) => (client.evaluateV2(USER).flag || {}).value;

/** @param {any} client @param {string} user_id */
const expose = (client, user_id) => client.evaluateV2({ user_id }, undefined, { tracksExposure: true });

/** A start rejects; flags come all the same, and are kept up to date. @param {Stage} stage */
async function failedStart(stage) {
  const client = stage.local();
  stage.arm();
  await assert.rejects(client.start(), { code: PANIC });
  await until(() => value(client) === 'v1', 'flags after all');
  stage.emulator.setFlags([flag('v2')]);
  await until(() => value(client) === 'v2', 'an update');
}

/** A fetch rejects; the next one does not. @param {Stage} stage @param {any} [client] */
async function failedFetch(stage, client = stage.remote()) {
  stage.arm();
  await assert.rejects(client.fetchV2(USER), { code: PANIC });
  assert.equal((await client.fetchV2(USER)).flag.value, 'v1');
}

/** What has been made is collected, and a line on the standard error output tells of the panic. @param {() => unknown} make */
const dropped = (make) => async (/** @type {Stage} */ stage) => {
  // Everything that the first of its kind brings along is there before.
  make();
  stage.arm();
  const start = Date.now();
  for (let isArmed = true; isArmed;) {
    assert.ok(Date.now() < start + PATIENCE_MILLIS, 'nothing is collected');
    make();
    await sleep(1);
    /** @type {any} */ (globalThis).gc();
    const armed = native.injectPanic(undefined);
    isArmed = typeof armed === 'string';
    if (isArmed) stage.arm();
  }
  make();
};
/** Scenarios after which the process has told of a panic by itself. */
const TOLD = [
  'LocalClient.finalize',
  'RemoteClient.finalize',
  'View.finalize',
  'evaluate.finalize',
  'track.finalize',
  'line.closed',
  'discard',
];

const bare = () =>
  new native.LocalClient(
    /** @type {any} */ ({
      ...{ apiKey: 'k', serverUrl: 'http://127.0.0.1:1', streamServerUrl: 'http://127.0.0.1:1', isEu: false },
      ...{
        pollingIntervalMillis: 1000,
        streamUpdates: false,
        streamConnectTimeoutMillis: 1,
        reportsFlags: false,
      },
      streamsThroughAgent: false,
    }),
    () => {},
  );

/** So many flags that their plan is taken apart on another thread. */
const MANY = JSON.stringify(
  Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [`f${i}`, { ...flag('v'), key: `f${i}` }])),
);

/** @type {Record<string, (stage: Stage) => Promise<void>>} */
const SCENARIOS = {
  start: async (stage) => {
    const client = stage.local();
    stage.arm();
    await assert.rejects(client.start(), { code: PANIC });
    await client.start();
    assert.equal(value(client), 'v1');
  },
  fetch: (stage) => failedFetch(stage),
  // The only message of a fetch is its end.
  message: (stage) => failedFetch(stage),
  order: (stage) => failedFetch(stage, stage.remote({ httpAgent: new (require('node:http').Agent)() })),
  'connections are made ready': (stage) => failedFetch(stage),
  flush: async (stage) => {
    const client = await stage.tracking();
    stage.arm();
    await assert.rejects(client.flush(), { code: PANIC });
    await client.flush();
  },
  close: async (stage) => {
    const client = await stage.tracking();
    stage.arm();
    await assert.rejects(client.close(), { code: PANIC });
    await client.close();
  },
  'flags are parsed': async (stage) => {
    const client = stage.local();
    stage.arm();
    // The first poll fails, and is made again.
    await client.start();
    await stage.logged();
    assert.equal(value(client), 'v1');
    stage.emulator.setFlags([flag('v2')]);
    stage.arm();
    await until(() => value(client) === 'v2', 'an update after all');
  },
  synchronisation: failedStart,
  'a cohort is parsed': async (stage) => {
    stage.emulator.setFlags([flag('member', TARGETED)]);
    const cohortSyncConfig = { apiKey: 'api', secretKey: 'secret', cohortServerUrl: stage.emulator.url };
    const client = stage.local({ cohortSyncConfig });
    stage.arm();
    await client.start();
    await stage.logged();
    await until(() => value(client) === 'member', 'the cohort after all');
  },
  delivery: async (stage) => {
    const client = await stage.tracking();
    stage.arm();
    expose(client, 'lost');
    await stage.logged();
    expose(client, 'too late');
    await client.flush();
    await client.close();
    assert.equal(value(client), 'v1');
  },
  'the spool': async (stage) => {
    const client = await stage.tracking({ spoolDirectory: stage.directory });
    stage.arm();
    expose(client, 'first');
    await stage.logged();
    expose(client, 'second');
    await client.flush();
    assert.deepEqual(
      stage.emulator
        .events()
        .map(({ user_id }) => user_id)
        .sort(),
      ['first', 'second'],
    );
  },
  'LocalClient.finalize': dropped(bare),
  'RemoteClient.finalize': dropped(() => new native.RemoteClient(() => {})),
  'View.finalize': dropped(() => bare().view()),
  'evaluate.finalize': dropped(() => bare().view().select(undefined, new Uint32Array(8))),
  'track.finalize': dropped(() => {
    const view = bare().view();
    const codes = new Uint32Array(8);
    view.trackFunction(view.select(undefined, codes).id, codes);
  }),
  'line.closed': dropped(bare),
  discard: dropped(() => {
    const client = bare();
    client.setFlags(MANY, client.flagsVersion);
    const view = client.view();
    client.setFlags('{}', client.flagsVersion);
    view.select(undefined, new Uint32Array(2000));
  }),
};

/** @param {string} point */
async function play(point) {
  const stage = await Stage.open(point);
  await SCENARIOS[point](stage);
  assert.equal(native.injectPanic(undefined), null, 'the point has not been passed');
  await stage.close();
}

module.exports = { SCENARIOS, TOLD, play };
