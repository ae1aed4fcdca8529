'use strict';

/** Clients in worker threads: those that share a core, and those that do not. */

const { spawn: spawnProcess } = require('node:child_process');
const path = require('node:path');
const test = require('ava');
const { Emulator } = require('../emulator');
const { LocalEvaluationClient } = require('..');
const { spawn } = require('./support/worker');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

function flag(key, conditions = []) {
  return {
    key,
    variants: { on: { key: 'on', value: 'on' } },
    segments: [{ conditions: [conditions], variant: 'on' }],
    metadata: { experimentKey: 'exp-1' },
  };
}

const ofCohort = (key, id) =>
  flag(key, [{ selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: [id] }]);

const COHORT = { cohortId: 'c', memberIds: ['ada'] };

async function emulated(t, world = {}) {
  const keys = { deploymentKey: 'server-key', apiKey: 'api', secretKey: 'secret' };
  const emulator = await Emulator.start({ ...keys, flags: [flag('a')], ...world });
  t.teardown(() => emulator.close());
  return emulator;
}

const polling = (emulator) => ({ serverUrl: emulator.url, flagConfigPollingIntervalMillis: 30 });

const streaming = (emulator) => ({
  serverUrl: emulator.url,
  streamUpdates: true,
  streamServerUrl: emulator.url,
  // The emulator shares this thread with the test, which may be busy.
  streamFlagConnTimeoutMillis: 60_000,
  cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: emulator.url },
});

const exposing = (emulator) => ({
  apiKey: 'api',
  serverUrl: `${emulator.url}/2/httpapi`,
  flushIntervalMillis: 60_000,
  logLevel: 0,
});

/** So many workers with a client each of this configuration. */
async function workers(t, count, config, more = {}) {
  const data = { config: { shareAcrossWorkers: true, ...config }, ...more };
  const all = await Promise.all(Array.from({ length: count }, () => spawn(data)));
  t.teardown(() => Promise.all(all.map((worker) => worker.terminate())));
  return all;
}

const each = (all, ...call) => Promise.all(all.map((worker) => worker.ask(...call)));

/** That workers have done what they were asked before. */
const started = (all) => all.map((worker) => worker.ask('flags'));

async function until(check) {
  for (let i = 0; i < 1000; i++) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

const connections = (emulator) => new Set(emulator.requests.map(({ connection }) => connection)).size;

test.serial(
  'eight workers hold one stream, ask once for flags and cohorts, and all hear of updates',
  async (t) => {
    const emulator = await emulated(t, { flags: [ofCohort('a', 'c')], cohorts: [COHORT] });
    const all = await workers(t, 8, streaming(emulator));
    await each(all, 'start');
    t.is(emulator.requestsTo('stream').length, 1);
    t.is(emulator.openStreams, 1);
    t.is(emulator.requestsTo('cohort').length, 1);
    t.is(emulator.requestsTo('flags').length, 0);
    t.is(connections(emulator), 2);
    for (const variants of await each(all, 'evaluate', { user_id: 'ada' })) t.is(variants.a.key, 'on');
    for (const ids of await each(all, 'cohorts')) t.deepEqual(ids, ['c']);
    emulator.setFlags([flag('a'), flag('b')]);
    for (const worker of all) t.true(await until(async () => 'b' in (await worker.ask('evaluate', {}))));
    t.is(emulator.requests.length, 2);
  },
);

test.serial('clients that do not ask for it share nothing', async (t) => {
  const emulator = await emulated(t);
  const all = await workers(t, 3, { ...streaming(emulator), shareAcrossWorkers: undefined });
  await each(all, 'start');
  t.is(emulator.openStreams, 3);
  await all[0].ask('put', 'mine', flag('mine'));
  t.deepEqual(await each(all, 'flags'), [['a', 'mine'], ['a'], ['a']]);
});

test.serial('the main thread and other clients of a thread share too', async (t) => {
  const emulator = await emulated(t);
  const config = { ...streaming(emulator), shareAcrossWorkers: true, loggerProvider: silent };
  const [here, too] = [config, config].map((config) => new LocalEvaluationClient('server-key', config));
  t.teardown(() => (here.stop(), too.stop()));
  await here.start();
  const [worker] = await workers(t, 1, streaming(emulator));
  // Without a start of its own it sees what others have fetched.
  t.deepEqual(Object.keys(await worker.ask('evaluate', {})), ['a']);
  t.deepEqual(Object.keys(too.evaluateV2({})), ['a']);
  await Promise.all([worker.ask('start'), too.start()]);
  t.is(emulator.requestsTo('stream').length, 1);
});

test.serial('the worker that started first may be terminated, and so may all others but one', async (t) => {
  const emulator = await emulated(t);
  const [first, ...others] = await workers(t, 4, streaming(emulator));
  await first.ask('start');
  await each(others, 'start');
  await first.terminate();
  emulator.setFlags([flag('b')]);
  for (const worker of others) t.true(await until(async () => 'b' in (await worker.ask('evaluate', {}))));
  await Promise.all(others.slice(1).map((worker) => worker.terminate()));
  emulator.setFlags([flag('c')]);
  t.true(await until(async () => 'c' in (await others[0].ask('evaluate', {}))));
  t.is(emulator.requestsTo('stream').length, 1);
  await others[0].terminate();
  await emulator.waitForStreams(0);
  // With the last one all has gone.
  const [late] = await workers(t, 1, streaming(emulator));
  t.deepEqual(await late.ask('flags'), []);
});

test.serial('a worker that is terminated while it starts leaves the start of the others alone', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('flags', { kind: 'delay', delayMillis: 1500, times: 1 });
  const [first, second] = await workers(t, 2, { serverUrl: emulator.url });
  const starts = [first.ask('start'), second.ask('start')];
  await Promise.all([emulator.waitForRequests('flags', 1), ...started([first, second])]);
  await Promise.all([t.throwsAsync(starts[0], { message: 'the worker has gone' }), first.terminate()]);
  await starts[1];
  t.deepEqual(Object.keys(await second.ask('evaluate', {})), ['a']);
  t.is(emulator.requestsTo('flags').length, 1);
});

test.serial(
  'a stop is that of one client, the last one is everybody’s, and a start begins again',
  async (t) => {
    const emulator = await emulated(t);
    const [one, two] = await workers(t, 2, streaming(emulator));
    await each([one, two], 'start');
    await one.ask('stop');
    await one.ask('stop');
    emulator.setFlags([flag('b')]);
    t.true(await until(async () => 'b' in (await two.ask('evaluate', {}))));
    t.is(emulator.openStreams, 1);
    await two.ask('stop');
    await emulator.waitForStreams(0);
    emulator.setFlags([flag('c')]);
    await one.ask('start');
    t.deepEqual(Object.keys(await two.ask('evaluate', {})), ['c']);
    t.is(emulator.requestsTo('stream').length, 2);
  },
);

test.serial('a stop ends the own start, not that of the others', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('flags', { kind: 'silence', times: 1 });
  const config = { serverUrl: emulator.url };
  const [one, two] = await workers(t, 2, config);
  const starts = [one.ask('start'), two.ask('start')];
  await Promise.all([emulator.waitForRequests('flags', 1), ...started([one, two])]);
  await one.ask('stop');
  await starts[0];
  t.is(await Promise.race([starts[1], one.ask('flags').then(() => 'still under way')]), 'still under way');
  await two.ask('stop');
  await starts[1];
});

test.serial('a start that fails fails for all who wait for it', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('flags', { kind: 'status', status: 500 });
  const all = await workers(t, 3, { serverUrl: emulator.url });
  for (const start of all.map((worker) => worker.ask('start'))) {
    await t.throwsAsync(start, { code: 'ERR_EXPERIMENT_FLAGS_STATUS' });
  }
  emulator.clearFailures();
  await each(all, 'start');
  for (const flags of await each(all, 'flags')) t.deepEqual(flags, ['a']);
});

test.serial('a start right after a stop is a start', async (t) => {
  const emulator = await emulated(t);
  for (const shareAcrossWorkers of [true, false]) {
    const [worker] = await workers(t, 1, { ...streaming(emulator), shareAcrossWorkers });
    await worker.ask('startStopStart');
    t.deepEqual(await worker.ask('flags'), ['a']);
    await worker.terminate();
  }
});

test.serial('exposures are counted once in the process, and sent by whoever flushes', async (t) => {
  const emulator = await emulated(t);
  const config = { ...polling(emulator), exposureConfig: exposing(emulator) };
  const all = await workers(t, 4, config);
  await each(all, 'start');
  const track = (worker, user_id) => worker.ask('evaluate', { user_id }, { tracksExposure: true });
  await Promise.all(all.map((worker) => track(worker, 'ada')));
  await track(all[1], 'bob');
  await all[3].ask('flush');
  t.deepEqual(
    emulator
      .events()
      .map((event) => event.user_id)
      .sort(),
    ['ada', 'bob'],
  );
  // One that closes delivers what is there, and takes nothing away from the others.
  await track(all[2], 'cora');
  await all[0].ask('close');
  t.is(emulator.events().length, 3);
  await track(all[0], 'after its own close');
  await track(all[1], 'dora');
  await all[1].terminate();
  await all[2].ask('flush');
  t.deepEqual(
    emulator.events().map((event) => event.user_id),
    [
      ...emulator
        .events()
        .slice(0, 2)
        .map((event) => event.user_id),
      'cora',
      'dora',
    ],
  );
  await track(all[3], 'eve');
  await each(all.slice(2), 'close');
  t.is(emulator.events().length, 5);
});

test.serial('events of a core are delivered after its last worker is terminated', async (t) => {
  const emulator = await emulated(t);
  const config = { bootstrap: { a: flag('a') }, exposureConfig: exposing(emulator) };
  const all = await workers(t, 2, config);
  for (const worker of all) {
    await worker.ask('evaluate', { user_id: String(all.indexOf(worker)) }, { tracksExposure: true });
  }
  await Promise.all(all.map((worker) => worker.terminate()));
  t.is((await emulator.waitForEvents(2)).length, 2);
});

test.serial('after the last close a new client begins with a core of its own', async (t) => {
  const emulator = await emulated(t);
  const config = { bootstrap: { a: flag('a') }, exposureConfig: exposing(emulator) };
  const [old] = await workers(t, 1, config);
  await old.ask('close');
  const [fresh] = await workers(t, 1, config);
  await fresh.ask('evaluate', { user_id: 'ada' }, { tracksExposure: true });
  await fresh.ask('flush');
  t.is(emulator.events().length, 1);
});

test.serial('another key, instance name, configuration or bootstrap is another core', async (t) => {
  const emulator = await emulated(t, { deploymentKey: undefined });
  const config = streaming(emulator);
  const differing = [
    { config },
    { apiKey: 'another-key', config },
    { config: { ...config, instanceName: 'other' } },
    { config: { ...config, streamFlagConnTimeoutMillis: 60_001 } },
    { config: { ...config, cohortSyncConfig: { ...config.cohortSyncConfig, maxCohortSize: 5 } } },
    { config: { ...config, cohortSyncConfig: { ...config.cohortSyncConfig, secretKey: 'secret2' } } },
    { config: { ...config, exposureConfig: exposing(emulator) } },
    { config: { ...config, exposureConfig: { ...exposing(emulator), flushQueueSize: NaN } } },
    { config: { ...config, exposureConfig: { ...exposing(emulator), flushQueueSize: Infinity } } },
    { config: { ...config, bootstrap: { b: flag('b') } } },
  ];
  const all = [];
  for (const { config, ...more } of differing) {
    all.push(...(await workers(t, 1, config, more)));
    await all[all.length - 1].ask('start');
    t.is(emulator.openStreams, all.length);
  }
  // What concerns the thread alone makes no difference.
  const [same] = await workers(t, 1, { ...config, logLevel: 4, debug: true }, { store: true });
  await same.ask('start');
  t.is(emulator.openStreams, all.length);
});

test.serial('bootstrap is for the first client alone; what one writes all see', async (t) => {
  const emulator = await emulated(t);
  const config = { serverUrl: emulator.url, bootstrap: { old: flag('old') } };
  const [one, two] = await workers(t, 2, config);
  t.deepEqual(await each([one, two], 'flags'), [['old'], ['old']]);
  await one.ask('start');
  const [three] = await workers(t, 1, config);
  t.deepEqual(Object.keys(await three.ask('evaluate', {})), ['a']);
  await three.ask('put', 'b', flag('b'));
  for (const worker of [one, two, three]) {
    t.deepEqual(Object.keys(await worker.ask('evaluate', {})), ['a', 'b']);
    t.deepEqual(await worker.ask('flags'), ['a', 'b']);
  }
});

test.serial('each worker has its own logger and its own store, which is filled by its start', async (t) => {
  const emulator = await emulated(t);
  const config = { serverUrl: emulator.url, logLevel: 4 };
  const [one] = await workers(t, 1, config, { store: true });
  await one.ask('start');
  const [two] = await workers(t, 1, config, { store: true });
  t.deepEqual(await two.ask('stored'), []);
  await two.ask('start');
  t.deepEqual(await each([one, two], 'stored'), [['a'], ['a']]);
  await two.ask('stop');
  await one.ask('stop');
  t.true(await until(() => one.lines.includes('debug [Experiment] poller - stop')));
  t.true(one.lines.includes('debug [Experiment] poller - start'));
  t.false(two.lines.includes('debug [Experiment] poller - stop'));
});

test.serial('problems of flags are told to every worker, by its own logger', async (t) => {
  const emulator = await emulated(t);
  const all = await workers(t, 2, polling(emulator));
  await each(all, 'start');
  emulator.setFlags([flag('a'), { key: 'broken' }]);
  for (const { lines } of all) {
    t.true(await until(() => lines.some((line) => /^error .*malformed flags: broken/.test(line))));
  }
});

test.serial('a client with parts that are bound to its thread does not share, and says so', async (t) => {
  const emulator = await emulated(t);
  const config = { ...streaming(emulator), shareAcrossWorkers: true, logLevel: 2, loggerProvider: silent };
  const tracking = exposing(emulator);
  const parts = {
    httpAgent: [{ ...config, httpAgent: new (require('node:https').Agent)() }],
    httpClient: [config, undefined, { request: async () => ({ status: 200, body: '[]' }) }],
    streamEventSourceFactory: [config, undefined, undefined, () => ({ close() {} })],
    'exposureConfig.transportProvider': [
      { ...config, exposureConfig: { ...tracking, transportProvider: { send: async () => null } } },
      { exposureConfig: tracking },
    ],
    'assignmentConfig.storageProvider': [
      { ...config, assignmentConfig: { ...tracking, storageProvider: {} } },
      { assignmentConfig: tracking },
    ],
  };
  for (const [name, [own, ...more]] of Object.entries(parts)) {
    const lines = [];
    const loggerProvider = { ...silent, warn: (message) => lines.push(message) };
    const ofTracking = name.includes('.') ? more.pop() : {};
    const alone = new LocalEvaluationClient('server-key', { ...own, loggerProvider }, ...more);
    const about = lines.filter((line) => line.includes('shareAcrossWorkers'));
    t.is(about.length, 1, name);
    t.true(about[0].includes(`${name} cannot`), about[0]);
    const [one, two] = [0, 1].map(
      () => new LocalEvaluationClient('server-key', { ...config, ...ofTracking }),
    );
    await alone.cache.put('mine', flag('mine'));
    await one.cache.put('ours', flag('ours'));
    t.deepEqual(Object.keys(alone.cache.getAllCached()), ['mine'], name);
    t.deepEqual(Object.keys(two.cache.getAllCached()), ['ours'], name);
    await Promise.all([alone.close(), one.close(), two.close()]);
  }
});

test.serial('keys are in no name and no message', async (t) => {
  const { sharing } = require('../lib/sharing');
  const { name } = sharing({}, { apiKey: 'server-key', cohorts: { secretKey: 'secret' } }, '{}');
  t.regex(name, /^[0-9a-f]{64}$/);
});

/** Runs a script of a few lines in a process of its own, which must end well by itself. */
function run(t, script) {
  return new Promise((resolve) => {
    const child = spawnProcess(process.execPath, ['--expose-gc', '-e', script], {
      cwd: path.join(__dirname, '..'),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    t.teardown(() => child.kill('SIGKILL'));
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

test.serial(
  'fifty workers terminated at any moment of start, stream, flush and stop harm nobody',
  async (t) => {
    const emulator = await emulated(t, { flags: [ofCohort('a', 'c'), flag('b')], cohorts: [COHORT] });
    const config = {
      ...streaming(emulator),
      exposureConfig: { ...exposing(emulator), flushIntervalMillis: 1 },
    };
    const { code, signal, output } = await run(
      t,
      `
    const { Worker } = require('worker_threads');
    const { LocalEvaluationClient } = require('.');
    const config = ${JSON.stringify(config)};
    const script = \`
      const { LocalEvaluationClient } = require('.');
      const { config, at } = require('worker_threads').workerData;
      const client = new LocalEvaluationClient('server-key', { ...config, logLevel: 0 });
      require('worker_threads').parentPort.postMessage('here');
      (async () => {
        for (let i = 0; ; i++) {
          const started = client.start();
          for (let j = 0; j < 20; j++) client.evaluateV2({ user_id: 'u' + i + j + at }, undefined, { tracksExposure: true });
          const flushed = client.flush();
          if (i % 3) await Promise.race([started, flushed]); else await started;
          if (i % 4 === 1) await flushed;
          client.stop();
          if (i % 8 === 7) await client.close({ timeoutMillis: 5 });
        }
      })();\`;
    const one = (at) => new Promise((resolve, reject) => {
      const shareAcrossWorkers = at % 2 === 0;
      const worker = new Worker(script, { eval: true, workerData: { config: { ...config, shareAcrossWorkers }, at } });
      worker.on('error', reject).on('exit', resolve);
      const end = () => worker.terminate();
      if (at % 10 === 9) setTimeout(end, at);
      else worker.on('message', () => setTimeout(end, (at * 7) % 60));
    });
    (async () => {
      const client = new LocalEvaluationClient('server-key', { ...config, shareAcrossWorkers: true });
      await client.start();
      for (let round = 0; round < 10; round++) await Promise.all([0, 1, 2, 3, 4].map((i) => one(round * 5 + i)));
      const variants = client.evaluateV2({ user_id: 'ada' });
      await client.close();
      console.log(variants.a.key, variants.b.key);
    })();`,
    );
    t.deepEqual({ code, signal, output }, { code: 0, signal: null, output: 'on on\n' });
    await emulator.waitForStreams(0);
  },
);

test.serial(
  'the addon may be loaded by workers alone, again and again, and the process ends by itself',
  async (t) => {
    const emulator = await emulated(t);
    const { code, signal, output } = await run(
      t,
      `
    const { Worker } = require('worker_threads');
    const script = \`
      const { LocalEvaluationClient } = require('.');
      const { workerData } = require('worker_threads');
      const client = new LocalEvaluationClient('server-key', workerData);
      client.start().then(() => console.log(Object.keys(client.evaluateV2({})).join()));\`;
    const workerData = ${JSON.stringify({ ...streaming(emulator), shareAcrossWorkers: true })};
    const one = () => new Promise((resolve, reject) =>
      new Worker(script, { eval: true, workerData }).on('error', reject).on('exit', resolve));
    (async () => {
      for (let i = 0; i < 4; i++) console.log('exit', await one());
    })();`,
    );
    t.deepEqual({ code, signal, output }, { code: 0, signal: null, output: 'a\nexit 0\n'.repeat(4) });
  },
);

for (const [how, ending] of [
  ['ends', ''],
  ['exits', 'process.exit(0);'],
]) {
  test.serial(
    `a worker that ${how} delivers its events, and those of other threads stay with them`,
    async (t) => {
      const [its, mine] = [await emulated(t), await emulated(t)];
      const configOf = (emulator) => ({ bootstrap: { a: flag('a') }, exposureConfig: exposing(emulator) });
      const { code, signal, output } = await run(
        t,
        `
      const { Worker, isMainThread, workerData } = require('worker_threads');
      const script = \`
        const { LocalEvaluationClient } = require('.');
        const { workerData } = require('worker_threads');
        const client = new LocalEvaluationClient('k', workerData);
        client.evaluateV2({ user_id: 'worker' }, undefined, { tracksExposure: true });
        ${ending}\`;
      const { LocalEvaluationClient } = require('.');
      const client = new LocalEvaluationClient('k', ${JSON.stringify(configOf(mine))});
      client.evaluateV2({ user_id: 'before' }, undefined, { tracksExposure: true });
      new Worker(script, { eval: true, workerData: ${JSON.stringify(configOf(its))} }).on('exit', (code) => {
        console.log(code, client[Object.getOwnPropertySymbols(client)[0]].link.pendingEvents());
        client.evaluateV2({ user_id: 'after' }, undefined, { tracksExposure: true });
        process.exit(0);
      });`,
      );
      t.deepEqual({ code, signal, output }, { code: 0, signal: null, output: '0 1\n' });
      t.deepEqual(
        its.events().map((event) => event.user_id),
        ['worker'],
      );
      t.deepEqual(
        mine.events().map((event) => event.user_id),
        ['before', 'after'],
      );
    },
  );
}
