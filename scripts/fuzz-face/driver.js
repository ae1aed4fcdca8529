'use strict';

/**
 * Calls everything that the package exports with hostile values, and judges what comes back. In: a seed and a number of calls. Out:
 * how many there were, and what was wrong. A crash is seen by whoever started the process.
 */

const experiment = require('../..');
const { Thrown, Values } = require('./values');

/** Of calls that are within calls. */
const MAX_DEPTH = 3;
/** So much of the processors' time a call may take, huge inputs included. */
const MAX_CALL_MILLIS = 10_000;

/** What no error of JavaScript's, or of this package's, says. */
const FOREIGN = /panick|unwrap|\bnapi|threadsafe|Status::|GenericFailure|rust|\.rs\b/i;
/** The codes that the binding's generator gives to its own errors. */
const FOREIGN_CODES =
  /^(ERR_EXPERIMENT_PANIC|GenericFailure|InvalidArg|\w+Expected|Unknown|PendingException)$/;

const SILENT = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

const FLAGS = Object.fromEntries(
  [
    ['flag', ['context', 'user', 'user_id'], 'is', ['a']],
    ['property', ['context', 'user', 'user_properties', 'key'], 'contains', ['a', '1']],
    ['nested', ['context', 'user', 'user_properties', 'groups', 'key'], 'set contains any', ['a', '1']],
    ['cohort', ['context', 'user', 'cohort_ids'], 'set contains any', ['c']],
    ['group', ['context', 'groups', 'org', 'group_name'], 'regex match', ['^(a+)+$']],
    ['version', ['context', 'user', 'country'], 'version greater', ['1.2.3']],
  ].map(([key, selector, op, values]) => [
    key,
    {
      key,
      variants: { on: { key: 'on', value: 'on' }, off: { key: 'off', metadata: { default: true } } },
      segments: [{ conditions: [[{ selector, op, values }]], variant: 'on' }, { variant: 'off' }],
    },
  ]),
);

/** A small generator (mulberry32). @param {number} seed */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Driver {
  /** @param {number} seed */
  constructor(seed) {
    this.values = new Values(generator(seed), () => this.reenter());
    this.made = 0;
    this.threw = 0;
    this.rejected = 0;
    /** @type {string[]} */
    this.problems = [];
    this.depth = 0;
    /** @type {Promise<void>[]} */
    this.pending = [];
    this.local = this.client();
    this.remote = new experiment.RemoteEvaluationClient('key', REMOTE);
  }

  client() {
    const client = new experiment.LocalEvaluationClient('key', {
      ...LOCAL,
      bootstrap: /** @type {any} */ (FLAGS),
      exposureConfig: /** @type {any} */ ({ apiKey: 'api', serverUrl: 'http://127.0.0.1:1/', ...QUIET }),
    });
    client.cohortStorage.put(/** @type {any} */ ({ cohortId: 'c', groupType: 'User', memberIds: ['a'] }));
    return client;
  }

  /** A call from within a call. */
  reenter() {
    if (this.depth >= MAX_DEPTH) return;
    this.call();
  }

  /** One call of something with something. */
  call() {
    const { values } = this;
    const [name, act] = values.pick(ACTS);
    this.made += 1;
    this.depth += 1;
    const start = process.cpuUsage();
    try {
      const result = act(this, values);
      if (types.isPromise(result)) this.pending.push(this.settle(name, result));
    } catch (error) {
      this.threw += 1;
      this.judge(name, error);
    }
    this.depth -= 1;
    const { user, system } = process.cpuUsage(start);
    const millis = (user + system) / 1000;
    if (this.depth === 0 && millis > MAX_CALL_MILLIS) this.problems.push(`${name} took ${millis} ms`);
  }

  /**
   * @param {string} name
   * @param {Promise<any>} promise
   */
  async settle(name, promise) {
    try {
      await promise;
    } catch (error) {
      this.rejected += 1;
      this.judge(name, error);
    }
  }

  /**
   * @param {string} name
   * @param {any} error
   */
  judge(name, error) {
    if (error instanceof Thrown) return;
    if (!(error instanceof Error)) {
      this.problems.push(`${name}: threw no error, but ${typeof error}`);
      return;
    }
    const { code, message } = /** @type {any} */ (error);
    if (FOREIGN.test(message) || (code !== undefined && FOREIGN_CODES.test(String(code))))
      this.problems.push(`${name}: ${error.name}: ${message} (${String(code)})`);
  }

  /** What worked must still work. */
  check() {
    const { flag } = this.client().evaluateV2({ user_id: 'a' });
    if (!flag || flag.value !== 'on') this.problems.push('a good call has a wrong answer');
  }
}

const { types } = require('node:util');
const QUIET = { logLevel: 0, loggerProvider: SILENT, flushIntervalMillis: 3_600_000, maxQueuedEvents: 100 };
const LOCAL = { logLevel: 4, loggerProvider: SILENT, serverUrl: 'http://127.0.0.1:1' };
const REMOTE = { ...LOCAL, fetchTimeoutMillis: 0, fetchRetries: 0, fetchRetryBackoffMinMillis: 0 };

/** @type {[string, (driver: Driver, values: Values) => any][]} */
const ACTS = [
  ['evaluateV2', ({ local }, v) => local.evaluateV2(v.any())],
  ['evaluateV2', ({ local }, v) => local.evaluateV2(v.object())],
  ['evaluateV2', ({ local }, v) => local.evaluateV2(v.object(), v.any(), v.any())],
  [
    'evaluateV2 of properties',
    ({ local }, v) => local.evaluateV2({ user_id: v.any(), user_properties: v.object(), groups: v.any() }),
  ],
  [
    'evaluateV2, tracked',
    ({ local }, v) =>
      local.evaluateV2({ ...safe(() => v.object()), user_id: v.any() }, ['flag'], { tracksExposure: true }),
  ],
  ['evaluate', ({ local }, v) => local.evaluate(v.any(), v.any(), v.any())],
  ['fetchV2', ({ remote }, v) => remote.fetchV2(v.any(), v.any())],
  ['fetchV2', ({ remote }, v) => remote.fetchV2(v.object(), v.object())],
  ['fetch', ({ remote }, v) => /** @type {any} */ (remote).fetch(v.any(), v.any())],
  ['cache.get', ({ local }, v) => local.cache.get(v.any())],
  ['cache.put', (driver, v) => cacheOf(driver).put(v.any(), v.any())],
  ['cache.putAll', (driver, v) => cacheOf(driver).putAll(v.any())],
  ['cache.delete', (driver, v) => cacheOf(driver).delete(v.any())],
  ['cohortStorage.put', ({ local }, v) => local.cohortStorage.put(v.any())],
  [
    'cohortStorage.put',
    ({ local }, v) =>
      local.cohortStorage.put(
        /** @type {any} */ ({ cohortId: v.any(), groupType: v.any(), memberIds: v.any() }),
      ),
  ],
  ['cohortStorage.getCohort', ({ local }, v) => local.cohortStorage.getCohort(v.any())],
  [
    'cohortStorage.getCohortsForUser',
    ({ local }, v) => local.cohortStorage.getCohortsForUser(v.any(), v.any()),
  ],
  [
    'cohortStorage.getCohortsForGroup',
    ({ local }, v) => local.cohortStorage.getCohortsForGroup(v.any(), v.any(), v.any()),
  ],
  ['cohortStorage.delete', ({ local }, v) => local.cohortStorage.delete(v.any())],
  ['new LocalEvaluationClient', (_, v) => new experiment.LocalEvaluationClient(v.any(), quiet(v.any()))],
  [
    'new LocalEvaluationClient',
    (_, v) =>
      new experiment.LocalEvaluationClient('key', { ...LOCAL, bootstrap: v.any() }).evaluateV2(v.any()),
  ],
  [
    'new LocalEvaluationClient with parts',
    (_, v) => new experiment.LocalEvaluationClient('key', { ...LOCAL }, v.any(), v.any(), v.any()),
  ],
  ['new RemoteEvaluationClient', (_, v) => new experiment.RemoteEvaluationClient(v.any(), quiet(v.any()))],
  [
    'fetchV2 as configured',
    (_, v) =>
      new experiment.RemoteEvaluationClient('key', {
        ...REMOTE,
        serverUrl: v.any(),
        fetchRetries: /** @type {any} */ (v.pick([0, 1, NaN, '2'])),
      }).fetchV2(v.object()),
  ],
  ['AmplitudeCookie.cookieName', (_, v) => experiment.AmplitudeCookie.cookieName(v.any(), v.any())],
  ['AmplitudeCookie.parse', (_, v) => experiment.AmplitudeCookie.parse(v.any(), v.any())],
  ['AmplitudeCookie.generate', (_, v) => experiment.AmplitudeCookie.generate(v.any(), v.any())],
  ['stop', ({ local }) => local.stop()],
  [
    'evaluateV2 of another this',
    (_, v) => experiment.LocalEvaluationClient.prototype.evaluateV2.call(v.any(), v.any()),
  ],
];

/** A cache of its own: what comes into it would change what all other calls find. @param {Driver} driver @returns {any} */
const cacheOf = (driver) =>
  (driver.values.below(100) === 0 ? (driver.local = driver.client()) : driver.local).cache;

/** Without the getters of what it makes. @param {() => any} make */
function safe(make) {
  try {
    return { ...make() };
  } catch (_thrown) {
    return {};
  }
}

/** A configuration that does not print, as far as it is one. @param {any} config */
function quiet(config) {
  return types.isProxy(config) || typeof config !== 'object' || config === null
    ? LOCAL
    : { ...config, ...LOCAL };
}

/**
 * @param {number} seed
 * @param {number} calls
 */
async function fuzz(seed, calls) {
  const driver = new Driver(seed);
  /** @param {any} error */
  const stray = (error) =>
    void driver.problems.push(`nobody caught: ${(error && error.stack) || String(error)}`);
  process.on('uncaughtException', stray);
  process.on('unhandledRejection', stray);
  while (driver.made < calls && driver.problems.length < 10) {
    driver.call();
    if (driver.pending.length >= 100) {
      await Promise.all(driver.pending);
      driver.pending = [];
      driver.check();
    }
  }
  await Promise.all(driver.pending);
  driver.check();
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.removeListener('uncaughtException', stray);
  process.removeListener('unhandledRejection', stray);
  driver.local.stop();
  return driver;
}

module.exports = { fuzz };
