'use strict';

/** The parts of the face that need no server: exports, configuration, singletons, logger, cookies. */

const { inspect } = require('node:util');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

/** What a call answers with, or the class and message of its error. */
function outcome(call) {
  try {
    return { value: call() };
  } catch (error) {
    return { error: error.constructor.name, message: error.message };
  }
}

test('exports are those of upstream, in its order, as getters without setters', (t) => {
  t.deepEqual(Object.keys(ours), Object.keys(upstream));
  for (const name of Object.keys(ours)) {
    const { get, set, enumerable, configurable } = Object.getOwnPropertyDescriptor(ours, name);
    t.is(typeof get, 'function', name);
    t.deepEqual(
      { set, enumerable, configurable },
      { set: undefined, enumerable: true, configurable: true },
      name,
    );
  }
  t.is(ours.__esModule, true);
});

test('ESM finds the exports by name', async (t) => {
  const module = await import('../index.js');
  for (const name of Object.keys(upstream)) t.is(module[name], ours[name], name);
});

test('classes need new and can be subclassed', (t) => {
  for (const name of [
    'LocalEvaluationClient',
    'RemoteEvaluationClient',
    'ExperimentClient',
    'InMemoryFlagConfigCache',
  ]) {
    t.throws(() => ours[name]('key'), { instanceOf: TypeError });
    class Sub extends ours[name] {}
    t.true(new Sub('key') instanceof ours[name]);
  }
});

test('log levels and defaults are those of upstream', (t) => {
  t.deepEqual(Object.entries(ours.LogLevel), Object.entries(upstream.LogLevel));
  for (const name of ['Defaults', 'RemoteEvaluationDefaults']) {
    const plain = (object) => Object.entries(object).filter(([key]) => key !== 'loggerProvider');
    t.deepEqual(plain(ours[name]), plain(upstream[name]));
    t.deepEqual(Object.keys(ours[name]), Object.keys(upstream[name]));
  }
  t.not(ours.Defaults, ours.RemoteEvaluationDefaults);
});

const CONFIGS = [
  undefined,
  null,
  {},
  { debug: true, logLevel: 0 },
  { debug: 'false' },
  { serverZone: 'EU' },
  { serverZone: 'eu', serverUrl: 'https://own' },
  { serverZone: 'mars', serverUrl: '' },
  { serverZone: null },
  { serverZone: 5 },
  { serverZone: undefined },
  { fetchRetries: undefined, instanceName: 'x' },
  { serverZone: 'eu', streamServerUrl: 'https://stream' },
  { cohortSyncConfig: { apiKey: 'a', secretKey: 's' } },
  { cohortSyncConfig: { apiKey: 'a', secretKey: 's', cohortServerUrl: 'https://c' }, serverZone: 'eu' },
  { cohortSyncConfig: {}, serverZone: 'Eu' },
  { assignmentConfig: { apiKey: 'a' } },
  { bootstrap: { a: { key: 'a', variants: {}, segments: [] } } },
];

for (const kind of ['LocalEvaluationClient', 'RemoteEvaluationClient']) {
  for (const config of CONFIGS) {
    test(`${kind} completes ${inspect(config, { breakLength: Infinity })} as upstream does`, (t) => {
      const populated = (module) => {
        const copy = config && structuredClone(config);
        const result = outcome(() => new module[kind]('key', copy).config);
        if (result.value) {
          result.value = { ...result.value };
          delete result.value.loggerProvider;
        }
        return { result, caller: copy };
      };
      t.deepEqual(populated(ours), populated(upstream));
    });
  }
}

test('a frozen cohort configuration is completed beside the caller, who keeps his', (t) => {
  const cohortSyncConfig = Object.freeze({ apiKey: 'a', secretKey: 's' });
  const { config } = new ours.LocalEvaluationClient('key', { cohortSyncConfig });
  t.is(config.cohortSyncConfig.cohortServerUrl, 'https://cohort-v2.lab.amplitude.com');
});

test('clients are singletons by key and instance name, as upstream has it', (t) => {
  const { Experiment } = ours;
  const same = (a, b) => a === b;
  for (const initialize of [Experiment.initializeLocal, Experiment.initializeRemote]) {
    const first = initialize('single');
    t.true(same(first, initialize('single', { instanceName: undefined })));
    t.true(same(first, initialize('single', { instanceName: 'undefined' })));
    t.false(same(first, initialize('single', { instanceName: null })));
    t.false(same(first, initialize('single', { instanceName: 'other' })));
    t.true(same(initialize('a-b', { instanceName: 'c' }), initialize('a', { instanceName: 'b-c' })));
  }
  t.is(Experiment.initialize('single'), Experiment.initializeRemote('single'));
  t.false(Experiment.initialize('single') instanceof ours.ExperimentClient);
  t.true(Experiment.initializeLocal('single') instanceof ours.LocalEvaluationClient);
  for (const key of ['', undefined, null]) t.truthy(Experiment.initializeLocal(key));
});

test('what a level lets through, and how a provider is called', (t) => {
  for (let level = 0; level <= 5; level++) {
    const calls = [];
    const provider = {};
    for (const name of Object.keys(silent)) {
      provider[name] = function (...args) {
        calls.push([name, this === provider, ...args]);
      };
    }
    const { logger } = new ours.LocalEvaluationClient('key', { logLevel: level, loggerProvider: provider });
    for (const name of ['error', 'warn', 'info', 'debug', 'verbose']) logger[name]('message', 1, 2);
    const expected = ['error', 'warn', 'info', 'debug', 'verbose'].slice(0, level);
    t.deepEqual(
      calls,
      expected.map((name) => [name, true, 'message', [1, 2]]),
    );
  }
});

const COOKIES = [
  'device',
  'device.dXNlcg==.x.y',
  'device.Yz7Dtz4=',
  'dev.!!!!',
  '',
  '.',
  'device..rest',
  'a.b.c',
  undefined,
  null,
  5,
];

for (const cookie of COOKIES) {
  test(`AmplitudeCookie.parse(${inspect(cookie)}) is upstream's`, (t) => {
    t.deepEqual(
      outcome(() => ours.AmplitudeCookie.parse(cookie)),
      outcome(() => upstream.AmplitudeCookie.parse(cookie)),
    );
  });
}

test('AmplitudeCookie names and writes cookies as upstream does', (t) => {
  for (const key of ['', '12345', '1234567', '1234567890abc', '😀😀😀😀', undefined, null, 5]) {
    for (const newFormat of [undefined, false, true, 'yes']) {
      t.deepEqual(
        outcome(() => ours.AmplitudeCookie.cookieName(key, newFormat)),
        outcome(() => upstream.AmplitudeCookie.cookieName(key, newFormat)),
      );
      t.deepEqual(
        outcome(() => ours.AmplitudeCookie.generate(key, newFormat)),
        outcome(() => upstream.AmplitudeCookie.generate(key, newFormat)),
      );
    }
  }
});

test.serial(
  'AmplitudeCookie reads the new format, and answers {} with one console error for what is none',
  (t) => {
    const encoded = (json) => Buffer.from(encodeURIComponent(json)).toString('base64');
    const { AmplitudeCookie } = ours;
    t.deepEqual(AmplitudeCookie.parse(encoded('{"deviceId":"d","userId":"ü"}'), true), {
      device_id: 'd',
      user_id: 'ü',
    });
    t.deepEqual(AmplitudeCookie.parse(encoded('5'), true), { device_id: undefined, user_id: undefined });
    const { error } = console;
    const lines = [];
    console.error = (...args) => lines.push(args);
    try {
      for (const cookie of [encoded('null'), encoded('{'), Buffer.from('%').toString('base64'), '']) {
        t.deepEqual(AmplitudeCookie.parse(cookie, true), {});
      }
    } finally {
      console.error = error;
    }
    t.is(lines.length, 4);
    t.true(lines.every(([line]) => line.startsWith('Error parsing the Amplitude cookie: ')));
    for (const cookie of [undefined, null])
      t.throws(() => AmplitudeCookie.parse(cookie, true), { instanceOf: TypeError });
  },
);

test('FlagConfigFetcher asks once and hands the JSON text to a raw receiver', async (t) => {
  const body = '[{"key":"b"},{"key":"2"},{"key":"b","v":2}]';
  const fetcher = new ours.FlagConfigFetcher('k', { request: async () => ({ status: 200, body }) });
  const raw = [];
  fetcher.setRawReceiver((text) => raw.push(text));
  t.deepEqual(Object.entries(await fetcher.fetch()), [
    ['2', { key: '2' }],
    ['b', { key: 'b', v: 2 }],
  ]);
  t.deepEqual(raw, [body]);
  const failing = new ours.FlagConfigFetcher('k', { request: async () => ({ status: 500, body: '' }) });
  await t.throwsAsync(failing.fetch(), { message: 'Flags error response: status=500' });
});

test('FlagConfigPoller works on its own', async (t) => {
  const cohorts = new ours.LocalEvaluationClient('k').cohortStorage;
  const cache = new ours.InMemoryFlagConfigCache();
  const httpClient = {
    request: async () => ({ status: 200, body: '[{"key":"a","variants":{},"segments":[]}]' }),
  };
  const poller = new ours.FlagConfigPoller(new ours.FlagConfigFetcher('k', httpClient), cache, cohorts);
  let changed = 0;
  await poller.start(async () => void changed++);
  await poller.start();
  await poller.update(async () => void changed++);
  poller.stop();
  t.is(changed, 2);
  t.deepEqual(Object.keys(cache.getAllCached()), ['a']);
});

test('the remote and the local client of a key are two, each of its class', (t) => {
  const local = ours.Experiment.initializeLocal('of-both');
  const remote = ours.Experiment.initializeRemote('of-both');
  t.false(Object.is(local, remote));
  t.true(local instanceof ours.LocalEvaluationClient);
  t.true(remote instanceof ours.RemoteEvaluationClient);
});

test('own properties are those of upstream that are public or protected, in its order', (t) => {
  t.deepEqual(Object.keys(new ours.LocalEvaluationClient('k')), [
    'config',
    'cache',
    'logger',
    'cohortStorage',
  ]);
  t.deepEqual(Object.keys(new ours.RemoteEvaluationClient('k')), ['apiKey', 'config', 'logger']);
});

test('a logger or a level that is given as undefined is the default', (t) => {
  const lines = [];
  const { error } = console;
  console.error = (...line) => lines.push(line);
  try {
    const client = new ours.LocalEvaluationClient('k', { loggerProvider: undefined, logLevel: undefined });
    client.logger.error('message', 1);
    client.logger.debug('message');
  } finally {
    console.error = error;
  }
  t.deepEqual(lines, [['message', [1]]]);
});

test('how the console is written to', (t) => {
  const { ConsoleLogger } = require('../dist/src/util/logger');
  const theirs = require('@amplitude/experiment-node-server/dist/src/util/logger');
  const written = (logger) => {
    const lines = [];
    const before = { ...console };
    for (const name of ['log', 'debug', 'info', 'warn', 'error'])
      console[name] = (...line) => lines.push([name, ...line]);
    try {
      for (const name of Object.keys(silent)) logger[name]('message', [1, 2]);
    } finally {
      Object.assign(console, before);
    }
    return lines;
  };
  t.deepEqual(written(new ConsoleLogger()), written(new theirs.ConsoleLogger()));
});

test.serial(
  'a logger that throws in the background costs its own line, and the console is told once',
  async (t) => {
    const lines = [];
    const { error } = console;
    console.error = (line) => lines.push(line);
    const provider = Object.fromEntries(
      Object.keys(silent).map((name) => [
        name,
        () => {
          throw new Error('full');
        },
      ]),
    );
    try {
      const config = { loggerProvider: provider, logLevel: ours.LogLevel.Debug };
      const httpClient = { request: async () => ({ status: 200, body: '[]' }) };
      const client = new ours.LocalEvaluationClient('k', config, undefined, httpClient);
      await client.start();
      client.stop();
    } finally {
      console.error = error;
    }
    t.deepEqual(lines, ['[Experiment] a log line was lost: the logger threw']);
  },
);

test('flags written to a cache do not reach the map that it began with', async (t) => {
  const bootstrap = { a: { key: 'a', variants: {}, segments: [] } };
  const { cache } = new ours.LocalEvaluationClient('k', { bootstrap });
  await cache.put('b', { key: 'b', variants: {}, segments: [] });
  await cache.delete('a');
  t.deepEqual(Object.keys(bootstrap), ['a']);
  t.deepEqual(Object.keys(cache.getAllCached()), ['b']);
});

test('flags that are edited in place are seen when they are put', async (t) => {
  const bootstrap = {
    a: { key: 'a', variants: { on: { key: 'on' }, off: { key: 'off' } }, segments: [{ variant: 'on' }] },
  };
  const client = new ours.LocalEvaluationClient('k', { bootstrap });
  t.is(client.evaluateV2({}).a.key, 'on');
  const cached = client.cache.getAllCached().a;
  cached.segments[0].variant = 'off';
  t.is(client.evaluateV2({}).a.key, 'on');
  await client.cache.put('a', cached);
  t.is(client.evaluateV2({}).a.key, 'off');
});

test('bootstrap is read as JSON: what has none is dropped', (t) => {
  const variants = {
    on: { key: 'on', value: NaN, payload: undefined, metadata: { gone: undefined, at: new Date(0) } },
  };
  const bootstrap = { a: { key: 'a', variants, segments: [{ variant: 'on' }] } };
  const variant = new ours.LocalEvaluationClient('k', { bootstrap }).evaluateV2({}).a;
  t.deepEqual(variant, { key: 'on', value: undefined, metadata: { at: '1970-01-01T00:00:00.000Z' } });
  const on = { key: 'on', value: 'on', metadata: undefined, extra: 1 };
  const placed = { a: { ...bootstrap.a, variants: { on }, metadata: { x: 1 } } };
  const last = new ours.LocalEvaluationClient('k', { bootstrap: placed }).evaluateV2({}).a;
  t.deepEqual(Object.keys(last), ['key', 'value', 'extra', 'metadata']);
});
