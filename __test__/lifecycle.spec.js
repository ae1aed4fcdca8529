'use strict';

/** How clients begin and end, what outages leave of them, and what a caller's store sees of their flags. */

const test = require('ava');
const { Emulator } = require('../emulator');
const ours = require('..');
const { run } = require('./support/process');
const { silent, recording, flag, members, USER_COHORTS } = require('./support/outcome');

const later = () => new Promise((resolve) => setTimeout(resolve, 10));
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(check) {
  while (!(await check())) await later();
}

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
    {
      serverUrl: emulator.url,
      streamServerUrl: emulator.url,
      streamFlagConnTimeoutMillis: 10_000,
      loggerProvider: silent,
      flagConfigPollingIntervalMillis: 30,
      cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: emulator.url },
      ...config,
    },
    ...rest,
  );
  t.teardown(() => client.stop());
  return client;
}

const keys = (client, user = { user_id: 'ada' }) => Object.keys(client.evaluateV2(user)).sort();
const needsCohort = (key, id) => flag(key, { segments: [members(USER_COHORTS, [id]), { variant: 'on' }] });

for (const streamUpdates of [false, true]) {
  const mode = streamUpdates ? 'stream' : 'poll';
  const endpoint = streamUpdates ? 'stream' : 'flags';

  test(`${mode}: an awaited start keeps the process alive, and what it has started does not`, async (t) => {
    const emulator = await emulated(t, { flags: [flag('a')] });
    emulator.fail(endpoint, { kind: 'delay', delayMillis: 400 });
    const program = run(
      t,
      '-e',
      `const { LocalEvaluationClient } = require('.');
       const url = process.argv[1];
       const config = { serverUrl: url, streamServerUrl: url, streamUpdates: ${streamUpdates} };
       config.streamFlagConnTimeoutMillis = 10000;
       config.cohortSyncConfig = { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url };
       const client = new LocalEvaluationClient('server-key', config);
       client.start().then(() => console.log('started', Object.keys(client.evaluateV2({}))));`,
      emulator.url,
    );
    const { code, text } = await program.exit;
    t.is(code, 0);
    t.is(text, "started [ 'a' ]\n");
  });

  test(`${mode}: a client that is dropped is collected, with all that it has begun`, async (t) => {
    const emulator = await emulated(t, { flags: [flag('a')] });
    const program = run(
      t,
      '--expose-gc',
      '-e',
      `const https = require('https');
       const { LocalEvaluationClient } = require('.');
       const url = process.argv[1];
       const store = { clear: async () => {}, putAll: async () => {} };
       const kinds = [
         {},
         { exposureConfig: { apiKey: 'api', serverUrl: url + '/2/httpapi' } },
         { httpAgent: new https.Agent() },
         { logLevel: 4, loggerProvider: { error() {}, warn() {}, info() {}, debug() {}, verbose() {} } },
       ];
       const made = async (more) => {
         const config = { serverUrl: url, streamServerUrl: url, streamUpdates: ${streamUpdates}, ...more };
         config.flagConfigPollingIntervalMillis = 50;
         config.streamFlagConnTimeoutMillis = 10000;
         const client = new LocalEvaluationClient('server-key', config, store);
         await client.start();
         client.evaluateV2({ user_id: 'u' }, undefined, { tracksExposure: true });
         return new WeakRef(client);
       };
       setInterval(() => {}, 1000);
       Promise.all(kinds.map(made)).then(async (references) => {
         console.log('started');
         while (references.some((reference) => reference.deref())) {
           // What has been looked at is kept until the next turn.
           await new Promise((resolve) => setTimeout(resolve, 20));
           gc();
           await new Promise((resolve) => setTimeout(resolve, 20));
         }
         console.log('collected');
       });`,
      emulator.url,
    );
    await program.printed(/started/);
    await program.printed(/collected/);
    // The process lives, and of its clients nothing is left.
    await emulator.waitForStreams(0);
    await until(async () => {
      const asked = emulator.requests.length;
      for (let i = 0; i < 30; i++) await later();
      return emulator.requests.length === asked;
    });
    t.is(program.child.exitCode, null);
  });

  test(`${mode}: stop before, during and after a start: nothing is installed, and a start begins again`, async (t) => {
    const emulator = await emulated(t, {
      flags: [needsCohort('a', 'c1')],
      cohorts: [{ cohortId: 'c1', memberIds: ['ada'] }],
    });
    const client = clientOf(t, emulator, { streamUpdates, bootstrap: { b: flag('b') } });
    client.stop();
    // While the flags are on their way, and while their cohort is.
    for (const slow of [endpoint, 'cohort']) {
      emulator.fail(slow, { kind: 'delay', delayMillis: 300, times: 1 });
      const asked = emulator.requestsTo(slow).length;
      const starting = client.start();
      await emulator.waitForRequests(slow, asked + 1);
      client.stop();
      await starting;
      t.deepEqual(keys(client), ['b']);
    }
    for (let i = 0; i < 50; i++) await later();
    t.deepEqual(keys(client), ['b'], 'and not later either');
    await emulator.waitForStreams(0);
    await client.start();
    t.deepEqual(keys(client), ['a']);
    client.stop();
    emulator.setFlags([flag('c')]);
    for (let i = 0; i < 20; i++) await later();
    t.deepEqual(keys(client), ['a']);
  });

  test(`${mode}: everything down, first start included: bootstrap flags, then recovery by itself`, async (t) => {
    const emulator = await emulated(t, { flags: [flag('a')] });
    const client = clientOf(t, emulator, { streamUpdates, bootstrap: { b: flag('b') } });
    await emulator.suspend();
    const error = await t.throwsAsync(client.start());
    t.is(error.code, 'ECONNREFUSED');
    t.deepEqual(keys(client), ['b']);
    await emulator.resume();
    await until(() => keys(client)[0] === 'a');
    await emulator.suspend();
    for (let i = 0; i < 30; i++) await later();
    t.deepEqual(keys(client), ['a'], 'flags stay while nothing can be reached');
    emulator.setFlags([flag('c')]);
    await emulator.resume();
    await until(() => keys(client)[0] === 'c');
    t.pass();
  });
}

test('updates that a slow store cannot keep up with: evaluations see whole flags, the store all in order', async (t) => {
  const versions = Array.from({ length: 4 }, (_, i) => [flag(`a${i}`), flag(`b${i}`)]);
  const emulator = await emulated(t, { flags: versions[0] });
  const calls = [];
  const slowly = (what) => new Promise((resolve) => setTimeout(() => resolve(void calls.push(what)), 60));
  const store = {
    clear: () => slowly('clear'),
    putAll: (flags) => slowly(Object.keys(flags).join()),
  };
  const client = clientOf(t, emulator, { streamUpdates: true }, store);
  await client.start();
  t.deepEqual(calls, ['clear', 'a0,b0'], 'a start waits for the store');
  let seen = keys(client).join();
  for (const version of versions.slice(1)) {
    emulator.setFlags(version);
    const wanted = version.map(({ key }) => key).join();
    for (; seen !== wanted; seen = keys(client).join()) {
      if (!versions.some((flags) => flags.map(({ key }) => key).join() === seen)) t.fail(`saw ${seen}`);
      await turn();
    }
  }
  t.true(calls.length < 8, 'the store is behind');
  await until(() => calls.length === 8);
  t.deepEqual(
    calls,
    versions.flatMap((flags) => ['clear', flags.map(({ key }) => key).join()]),
  );
});

test('a store that never ends a write holds no more than a few updates, and evaluations go on', async (t) => {
  const emulator = await emulated(t, { flags: [flag('f0')] });
  const written = [];
  let release = () => {};
  const store = {
    clear: () => new Promise((resolve) => (release = resolve)),
    putAll: async (flags) => void written.push(Object.keys(flags)[0]),
  };
  const client = clientOf(t, emulator, { streamUpdates: true }, store);
  client.start();
  await until(() => keys(client)[0] === 'f0');
  for (let i = 1; i <= 20; i++) {
    emulator.setFlags([flag(`f${i}`)]);
    await until(() => keys(client)[0] === `f${i}`);
  }
  await until(() => {
    release();
    return written.includes('f20');
  });
  t.is(written[0], 'f0');
  t.is(written.at(-1), 'f20');
  t.true(written.length <= 10, written.join());
  t.deepEqual(
    written,
    [...written].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))),
  );
});

test('a store that fails, however it does, is told of in the log, and costs no flags', async (t) => {
  const emulator = await emulated(t, { flags: [flag('a')] });
  const { lines, provider } = recording();
  const failures = [
    { clear: () => Promise.reject(new Error('clear rejects')) },
    {
      clear() {
        throw new Error('clear throws');
      },
    },
    { putAll: () => Promise.reject(new Error('putAll rejects')) },
    {
      putAll() {
        throw new Error('putAll throws');
      },
    },
  ];
  for (const failure of failures) {
    const store = { clear: async () => {}, putAll: async () => {}, ...failure };
    const client = clientOf(t, emulator, { loggerProvider: provider }, store);
    await client.start();
    t.deepEqual(keys(client), ['a']);
    client.stop();
  }
  const said = lines
    .filter(([level]) => level === 'error')
    .map(([, message, [error]]) => [message, error.message]);
  const wanted = ['clear rejects', 'clear throws', 'putAll rejects', 'putAll throws'];
  t.deepEqual(
    [...new Set(said.map(([message]) => message))],
    ['[Experiment] flag config cache could not be written'],
  );
  t.deepEqual([...new Set(said.map(([, message]) => message))], wanted);
});

test('a store that has failed is written to again, whatever it and the logger do', async (t) => {
  for (const fails of [
    () => {
      throw new Error('not connected');
    },
    () => Promise.reject(new Error('not connected')),
  ]) {
    const emulator = await emulated(t, { flags: [flag('a')] });
    const stored = [];
    let clears = 0;
    const store = {
      clear: () => (++clears === 1 ? fails() : Promise.resolve()),
      putAll: async (flags) => void stored.push(Object.keys(flags).join()),
    };
    const throwing = {
      ...silent,
      error() {
        throw new Error('the logger is broken');
      },
    };
    const client = clientOf(t, emulator, { loggerProvider: throwing }, store);
    await client.start();
    emulator.setFlags([flag('b')]);
    await until(() => stored.includes('b'));
    t.true(stored.includes('b'));
  }
});

/** So many flags that another view of them is made ready bit by bit. */
const manyFlags = (value) =>
  Array.from({ length: 600 }, (_, i) =>
    flag(`flag-${i}`, { variants: { on: { key: 'on', value } }, segments: [{ variant: 'on' }] }),
  );

/** What value the flags have, all of them. */
function valueOf(t, client) {
  const values = new Set(Object.values(client.evaluateV2({ user_id: 'u' })).map(({ value }) => value));
  t.is(values.size, 1, 'an evaluation sees the old flags or the new ones');
  return [...values][0];
}

test('an update of many flags takes over whole, and evaluations go on until then', async (t) => {
  const emulator = await emulated(t, { flags: manyFlags('1') });
  const client = clientOf(t, emulator, { streamUpdates: true });
  await client.start();
  t.is(valueOf(t, client), '1');
  for (const value of ['2', '3']) {
    emulator.setFlags(manyFlags(value));
    while (valueOf(t, client) !== value) await turn();
  }
  // Nobody evaluates meanwhile: the flags are those that came last all the same.
  emulator.setFlags(manyFlags('4'));
  await until(async () => Object.values(await client.cache.getAll())[0].variants.on.value === '4');
  for (let i = 0; i < 100; i++) await turn();
  t.is(valueOf(t, client), '4');
});

test('many updates of many flags in a row do not put the newest off for ever', async (t) => {
  const emulator = await emulated(t, { flags: manyFlags('0') });
  const client = clientOf(t, emulator, { streamUpdates: true });
  await client.start();
  valueOf(t, client);
  let sent = 0;
  const sending = setInterval(() => emulator.setFlags(manyFlags(String(++sent))), 5);
  t.teardown(() => clearInterval(sending));
  const seen = new Set();
  while (seen.size < 5) {
    seen.add(valueOf(t, client));
    await turn();
  }
  clearInterval(sending);
  while (valueOf(t, client) !== String(sent)) await turn();
  t.pass();
});

test('after a start, and after a write to the cache, many flags are there at once', async (t) => {
  const emulator = await emulated(t, { flags: manyFlags('new') });
  const bootstrap = Object.fromEntries(manyFlags('old').map((own) => [own.key, own]));
  const client = clientOf(t, emulator, { bootstrap });
  t.is(valueOf(t, client), 'old');
  await client.start();
  t.is(valueOf(t, client), 'new');
  client.stop();
  emulator.setFlags(manyFlags('newer'));
  const starting = client.start();
  await until(async () => Object.values(await client.cache.getAll())[0].variants.on.value === 'newer');
  client.stop();
  await client.cache.putAll(bootstrap);
  t.is(valueOf(t, client), 'old');
  await starting;
  for (let i = 0; i < 100; i++) await turn();
  t.is(valueOf(t, client), 'old');
});
