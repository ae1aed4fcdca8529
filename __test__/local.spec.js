'use strict';

/** A local client kept up to date by polling. */

const test = require('ava');
const { Emulator } = require('../emulator');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

function flag(key, extra = {}) {
  return { key, variants: { on: { key: 'on', value: 'on' } }, segments: [{ variant: 'on' }], ...extra };
}

const needsCohort = (key, id) =>
  flag(key, {
    segments: [
      {
        conditions: [[{ selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: [id] }]],
        variant: 'on',
      },
    ],
  });

async function emulated(t, world) {
  const emulator = await Emulator.start({
    deploymentKey: 'server-key',
    apiKey: 'api',
    secretKey: 'secret',
    ...world,
  });
  t.teardown(() => emulator.close());
  return emulator;
}

function clientOf(t, emulator, config = {}, ...rest) {
  const client = new ours.LocalEvaluationClient(
    'server-key',
    { serverUrl: emulator.url, loggerProvider: silent, flagConfigPollingIntervalMillis: 30, ...config },
    ...rest,
  );
  t.teardown(() => client.stop());
  return client;
}

const cohortSyncConfig = (emulator) => ({
  apiKey: 'api',
  secretKey: 'secret',
  cohortServerUrl: emulator.url,
});

async function until(check) {
  for (let i = 0; i < 400; i++) {
    if (check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

/** Whether flags are asked for no more, soon: what was sent while this thread was busy is received late. */
async function fallsQuiet(emulator) {
  for (let attempt = 0; attempt < 10; attempt++) {
    const asked = emulator.requestsTo('flags').length;
    for (let i = 0; i < 15; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    if (emulator.requestsTo('flags').length === asked) return true;
  }
  return false;
}

test('start fetches the flags; polling brings changes; bootstrap is replaced whole', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const client = clientOf(t, emulator, { bootstrap: { old: flag('old') } });
  t.deepEqual(Object.keys(client.evaluateV2({})), ['old']);
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
  emulator.setFlags([flag('b'), flag('a')]);
  t.true(await until(() => 'b' in client.evaluateV2({})));
  t.deepEqual(Object.keys(client.cache.getAllCached()), ['b', 'a']);
});

test('requests carry the key and the library as upstream sends them', async (t) => {
  const emulator = await emulated(t, { flags: [] });
  await clientOf(t, emulator).start();
  const [{ headers }] = emulator.requestsTo('flags');
  t.is(headers.authorization, 'Api-Key server-key');
  t.is(headers['x-amp-exp-library'], 'experiment-node-server/1.13.6');
});

test('nothing is installed after stop; start again works', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const client = clientOf(t, emulator);
  await client.start();
  client.stop();
  client.stop();
  emulator.setFlags([flag('b')]);
  t.true(await fallsQuiet(emulator));
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['b']);
});

test('a start that is stopped settles and installs nothing', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  emulator.fail('flags', { kind: 'delay', delayMillis: 100 });
  const client = clientOf(t, emulator);
  const started = client.start();
  client.stop();
  await started;
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.deepEqual(client.evaluateV2({}), {});
});

test('two starts at once share one answer', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const client = clientOf(t, emulator, { flagConfigPollingIntervalMillis: 60000 });
  await Promise.all([client.start(), client.start()]);
  t.is(emulator.requestsTo('flags').length, 1);
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
});

test('start rejects after five attempts, says why, and can be called again', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const client = clientOf(t, emulator, { flagConfigPollingIntervalMillis: 60000 });
  emulator.fail('flags', { kind: 'status', status: 500, times: 5 });
  await t.throwsAsync(client.start(), {
    message: 'Flags error response: status=500',
    code: 'ERR_EXPERIMENT_FLAGS_STATUS',
  });
  t.is(emulator.requestsTo('flags').length, 5);
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
});

test('what is not a list of flags rejects as upstream does', async (t) => {
  for (const [body, type] of [
    ['{}', TypeError],
    ['[', SyntaxError],
  ]) {
    const httpClient = { request: async () => ({ status: 200, body }) };
    const client = new ours.LocalEvaluationClient('k', { loggerProvider: silent }, undefined, httpClient);
    await t.throwsAsync(client.start(), { instanceOf: type });
  }
});

test('one malformed flag is left out with one error log; the others live', async (t) => {
  const broken = [
    { key: 'x' },
    5,
    flag('cycle', { dependencies: ['cycle'] }),
    flag('bad', { segments: [null] }),
  ];
  const emulator = await emulated(t, { flags: [...broken, flag('a')] });
  const errors = [];
  const client = clientOf(t, emulator, {
    flagConfigPollingIntervalMillis: 60000,
    loggerProvider: { ...silent, error: (message) => errors.push(message) },
  });
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
  t.is(errors.length, 1);
  for (const name of ['x', 'cycle', 'bad']) t.regex(errors[0], new RegExp(name));
});

test('flags arrive by stream; a change is there at once; polling takes over while the stream is down', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const client = clientOf(t, emulator, { streamUpdates: true, streamServerUrl: emulator.url });
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
  t.is(emulator.requestsTo('flags').length, 0);
  const [{ headers }] = emulator.requestsTo('stream');
  t.is(headers.authorization, 'Api-Key server-key');
  t.is(headers['x-amp-exp-library'], 'experiment-node-server/1.13.6');
  emulator.setFlags([flag('b')]);
  t.true(await until(() => 'b' in client.evaluateV2({})));
  emulator.fail('stream', { kind: 'status', status: 503 });
  emulator.dropStreams();
  t.true(await until(() => emulator.requestsTo('flags').length > 0));
  emulator.setFlags([flag('c')]);
  t.true(await until(() => 'c' in client.evaluateV2({})));
});

test('a custom event source is opened as upstream opens it, and fed from', async (t) => {
  const emulator = await emulated(t, { flags: [flag('polled')] });
  const sources = [];
  const factory = (url, params) => {
    const source = {
      CLOSED: 0,
      CONNECTING: 1,
      OPEN: 2,
      url,
      params,
      readyState: 1,
      closed: 0,
      close: () => source.closed++,
    };
    sources.push(source);
    return source;
  };
  const config = { streamUpdates: true, streamServerUrl: 'http://stream' };
  const client = clientOf(t, emulator, config, undefined, undefined, factory);
  const started = client.start();
  t.true(await until(() => sources.length === 1 && sources[0].onmessage));
  const [source] = sources;
  t.is(source.url, 'http://stream/sdk/stream/v1/flags');
  t.is(source.params.headers.Authorization, 'Api-Key server-key');
  source.onopen({ type: 'open' });
  source.onmessage({ type: 'message', data: JSON.stringify([flag('streamed')]) });
  await started;
  t.deepEqual(Object.keys(client.evaluateV2({})), ['streamed']);
  client.stop();
  t.true(await until(() => source.closed === 1));
});

test('a factory that throws is a connection that failed: flags are polled', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const factory = () => {
    throw new Error('no stream today');
  };
  const client = clientOf(t, emulator, { streamUpdates: true }, undefined, undefined, factory);
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
});

test('cohorts are there before the flags that need them, and unused ones are dropped', async (t) => {
  const cohort = {
    cohortId: 'c1',
    groupType: 'User',
    groupTypeId: 1,
    lastComputed: 1,
    lastModified: 7,
    size: 2,
  };
  const emulator = await emulated(t, {
    flags: [needsCohort('a', 'c1')],
    cohorts: [{ ...cohort, memberIds: ['u1', 'u2'] }],
  });
  const client = clientOf(t, emulator, { cohortSyncConfig: cohortSyncConfig(emulator) });
  await client.start();
  t.is(client.evaluateV2({ user_id: 'u1' }).a.key, 'on');
  t.deepEqual(client.evaluateV2({ user_id: 'u3' }), {});
  t.deepEqual([...client.cohortStorage.getAllCohortIds()], ['c1']);
  const stored = client.cohortStorage.getCohort('c1');
  t.deepEqual([...stored.memberIds].sort(), ['u1', 'u2']);
  t.is(stored.lastModified, 7);
  t.deepEqual([...client.cohortStorage.getCohortsForUser('u2', new Set(['c1', 'c9']))], ['c1']);
  emulator.setFlags([flag('b')]);
  t.true(await until(() => client.cohortStorage.getAllCohortIds().size === 0));
});

test('a cohort put by hand counts, and comes back as it is', async (t) => {
  const client = new ours.LocalEvaluationClient('k', {
    bootstrap: { a: needsCohort('a', 'mine') },
    loggerProvider: silent,
  });
  const cohort = {
    cohortId: 'mine',
    groupType: 'User',
    groupTypeId: 1,
    lastComputed: 0,
    lastModified: 0,
    size: 1,
  };
  const mine = { ...cohort, memberIds: new Set(['u1']) };
  t.deepEqual(client.evaluateV2({ user_id: 'u1' }), {});
  client.cohortStorage.put(mine);
  t.is(client.evaluateV2({ user_id: 'u1' }).a.key, 'on');
  t.is(client.cohortStorage.getCohort('mine'), mine);
  client.cohortStorage.delete('mine');
  t.deepEqual(client.evaluateV2({ user_id: 'u1' }), {});
});

test("a project's own group type called User has members of its own", (t) => {
  const user = ['context', 'user', 'cohort_ids'];
  const group = ['context', 'groups', 'User', 'cohort_ids'];
  const asking = (key, selector, op) =>
    flag(key, { segments: [{ conditions: [[{ selector, op, values: ['c1'] }]], variant: 'on' }] });
  for (const op of ['set contains any', 'set contains', 'set does not contain']) {
    for (const [key, member] of [
      ['user', 'u'],
      ['group', 'g'],
    ]) {
      const flags = [asking('user', user, op), asking('group', group, op)];
      const known = [user, group].map((selector, i) => asking(`any-${i}`, selector, 'set contains any'));
      for (const list of [flags, [...flags].reverse()].map((asked) => [...asked, ...known])) {
        const bootstrap = Object.fromEntries(list.map((item) => [item.key, item]));
        const answers = [ours, upstream].map(({ LocalEvaluationClient }) => {
          const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
          const memberIds = new Set([member]);
          client.cohortStorage.put({
            cohortId: 'c1',
            groupType: 'User',
            lastModified: 1,
            size: 1,
            memberIds,
          });
          return Object.keys(client.evaluateV2({ user_id: 'u', groups: { User: ['g'] } }));
        });
        t.deepEqual(answers[0], answers[1]);
        t.is(answers[0].includes(key), op !== 'set does not contain');
      }
    }
  }
});

test('who is in a cohort does not depend on what else reads the user id, nor on what kind of value it is', (t) => {
  const userId = (op, values) => ({ selector: ['context', 'user', 'user_id'], op, values });
  const reading = (key, op, values) =>
    flag(key, { segments: [{ conditions: [[userId(op, values)]], variant: 'on' }] });
  const bucket = {
    selector: ['context', 'user', 'user_id'],
    salt: 's',
    allocations: [{ range: [0, 50], distributions: [{ variant: 'on', range: [0, 42949673] }] }],
  };
  const others = [
    [],
    [reading('is', 'is', ['5', 'u1'])],
    [reading('any', 'set contains any', ['a'])],
    [reading('list', 'is', ['a']), flag('bucketed', { segments: [{ bucket }] })],
    [flag('bucketed', { segments: [{ bucket }] })],
  ];
  const ids = ['u1', 'u2', '', '5', 5, 0, true, false, null, undefined, '["a"]', '[', ['a'], [], {}];
  ids.push('[object Object]', new String('u1'), { toString: () => 'u1' }, 'é', '\ud800', 'x'.repeat(5000));
  const memberIds = [
    'u1',
    '5',
    'true',
    '["a"]',
    '[',
    'a',
    '[object Object]',
    'é',
    '\ud800',
    'x'.repeat(5000),
    '',
  ];
  const cohort = {
    cohortId: 'c',
    groupType: 'User',
    groupTypeId: 0,
    lastComputed: 1,
    lastModified: 1,
    size: 11,
  };
  for (const more of others) {
    const flags = [needsCohort('cohort', 'c'), ...more];
    const [before, now] = [upstream, ours].map(({ LocalEvaluationClient }) => {
      const bootstrap = Object.fromEntries(flags.map((flag) => [flag.key, flag]));
      const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
      client.cohortStorage.put({ ...cohort, memberIds: new Set(memberIds) });
      return client;
    });
    // As often as it takes for code to be generated, and then some.
    for (let turn = 0; turn < 12; turn++) {
      for (const id of ids) {
        const expected = before.evaluateV2({ user_id: id });
        t.deepEqual(now.evaluateV2({ user_id: id }), expected, `${JSON.stringify(id)} in turn ${turn}`);
      }
    }
    t.is(now.evaluateV2({ user_id: 'u1' }).cohort.key, 'on');
    t.is(now.evaluateV2({ user_id: 'u2' }).cohort, undefined);
    // What is another value each time it is read is neither lost nor mistaken.
    let reads = 0;
    const fickle = {
      get user_id() {
        return ['u2', 'u1'][reads++ % 2];
      },
    };
    for (let i = 0; i < 4; i++) t.notThrows(() => now.evaluateV2(fickle));
  }
});

test('a missing cohort is logged once, not on every evaluation', (t) => {
  const errors = [];
  const client = new ours.LocalEvaluationClient('k', {
    bootstrap: { a: needsCohort('a', 'c1') },
    loggerProvider: { ...silent, error: (message) => errors.push(message) },
  });
  for (let i = 0; i < 5; i++) client.evaluateV2({ user_id: 'u' });
  t.deepEqual(errors, ['[Experiment] Flag a has cohort ids c1 unavailable, evaluation may be incorrect']);
});

test('enrichUserWithCohorts writes when it is called, and an override takes effect', (t) => {
  class Client extends ours.LocalEvaluationClient {
    enrichUserWithCohorts(user, flags) {
      this.seen = Object.keys(flags);
      super.enrichUserWithCohorts(user, flags);
      if (user.user_id === 'chosen') user.cohort_ids = ['c1'];
    }
  }
  const client = new Client('k', { bootstrap: { a: needsCohort('a', 'c1') }, loggerProvider: silent });
  const chosen = Object.freeze({ user_id: 'chosen' });
  t.is(client.evaluateV2(chosen).a.key, 'on');
  t.deepEqual(client.evaluateV2({ user_id: 'other' }), {});
  t.deepEqual(client.seen, ['a']);
  const user = { user_id: 'u' };
  client.enrichUserWithCohorts(user, client.cache.getAllCached());
  t.deepEqual(user, { user_id: 'u', cohort_ids: [] });
});

test('the cache can be read and written, at once', async (t) => {
  const client = new ours.LocalEvaluationClient('k', { bootstrap: { a: flag('a') }, loggerProvider: silent });
  const written = client.cache.put('b', flag('b'));
  t.deepEqual(Object.keys(client.evaluateV2({})), ['a', 'b']);
  await written;
  t.deepEqual(await client.cache.get('b'), flag('b'));
  t.is(await client.cache.get('constructor'), undefined);
  await client.cache.delete('a');
  t.deepEqual(Object.keys(client.evaluateV2({})), ['b']);
  await client.cache.putAll({ c: flag('c'), d: null });
  t.deepEqual(Object.keys(client.evaluateV2({})), ['b', 'c']);
  await client.cache.clear();
  t.deepEqual(client.evaluateV2({}), {});
  const other = new ours.LocalEvaluationClient('k', { loggerProvider: silent });
  await other.cache.put('x', flag('x'));
  t.deepEqual(new ours.LocalEvaluationClient('k').cache.getAllCached(), {});
});

test('every update is written through to a store, and start waits for it; its failures are logged', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const calls = [];
  const store = {
    clear: async () => void calls.push('clear'),
    putAll: async (flags) => void calls.push(Object.keys(flags)),
  };
  await clientOf(t, emulator, { flagConfigPollingIntervalMillis: 60000 }, store).start();
  t.deepEqual(calls, ['clear', ['a']]);
  const errors = [];
  const failing = { clear: async () => Promise.reject(new Error('full')), putAll: async () => {} };
  const loggerProvider = { ...silent, error: (message, [error]) => errors.push([message, error.message]) };
  const client = clientOf(t, emulator, { flagConfigPollingIntervalMillis: 60000, loggerProvider }, failing);
  await client.start();
  t.is(client.evaluateV2({}).a.key, 'on');
  t.deepEqual(errors, [['[Experiment] flag config cache could not be written', 'full']]);
});

test('a custom http client gets the requests as upstream sends them', async (t) => {
  const seen = [];
  const httpClient = {
    request: async (...args) => {
      seen.push(args);
      return { status: 200, body: JSON.stringify([flag('a')]) };
    },
  };
  const config = { serverUrl: 'http://host', loggerProvider: silent, flagConfigPollingIntervalMillis: 60000 };
  const client = new ours.LocalEvaluationClient('key', config, undefined, httpClient);
  t.teardown(() => client.stop());
  await client.start();
  t.is(client.evaluateV2({}).a.key, 'on');
  t.deepEqual(seen, [
    [
      'http://host/sdk/v2/flags',
      'GET',
      { Authorization: 'Api-Key key', 'X-Amp-Exp-Library': 'experiment-node-server/1.13.6' },
      null,
      5000,
    ],
  ]);
});

test('debug lines carry the user, the flags and the raw variants', (t) => {
  const lines = [];
  const client = new ours.LocalEvaluationClient('k', {
    bootstrap: { a: { ...flag('a'), variants: { on: { key: 'on', value: 5 } } } },
    debug: true,
    loggerProvider: { ...silent, debug: (...args) => lines.push(args) },
  });
  const user = { user_id: 'u' };
  t.is(client.evaluateV2(user).a.value, '5');
  t.deepEqual(lines, [
    ['[Experiment] evaluate - user:', [user, 'flags:', client.cache.getAllCached()]],
    ['[Experiment] evaluate - variants: ', [{ a: { key: 'on', value: 5, metadata: {} } }]],
  ]);
});
