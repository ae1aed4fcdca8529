'use strict';

/** Exposure and assignment events as a server receives them, side by side with upstream's. */

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { Emulator } = require('../emulator');
const { Random, flags, user } = require('./support/random');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };
const quiet = { enable() {}, disable() {}, log() {}, warn() {}, error() {}, debug() {} };

const FLAGS = [
  {
    key: 'exp',
    variants: { on: { key: 'on', value: 'on' }, off: { key: 'off', metadata: { default: true } } },
    segments: [
      {
        conditions: [[{ selector: ['context', 'user', 'user_id'], op: 'is not', values: ['nobody'] }]],
        variant: 'on',
        metadata: { segmentName: 'All' },
      },
      { variant: 'off' },
    ],
    metadata: { experimentKey: 'exp-1', flagVersion: 7 },
  },
];

const bootstrapOf = (list) => Object.fromEntries(list.map((flag) => [flag.key, structuredClone(flag)]));

async function emulated(t) {
  const emulator = await Emulator.start({ apiKey: 'api' });
  t.teardown(() => emulator.close());
  return emulator;
}

const options = (emulator) => ({
  apiKey: 'api',
  serverUrl: `${emulator.url}/2/httpapi`,
  flushIntervalMillis: 20,
  loggerProvider: quiet,
});

/** What of an event does not depend on clocks and counters. */
function essence(event) {
  const { time, event_id, ...rest } = event;
  return JSON.stringify(rest);
}

test.serial('an exposure is sent once, and flush resolves when it has been taken', async (t) => {
  const emulator = await emulated(t);
  const config = { bootstrap: bootstrapOf(FLAGS), exposureConfig: options(emulator), loggerProvider: silent };
  const client = new ours.LocalEvaluationClient('k', config);
  const subject = { user_id: 'u', device_id: 'd' };
  for (let i = 0; i < 3; i++) client.evaluateV2(subject, undefined, { tracksExposure: true });
  client.evaluateV2({ user_id: 'not tracked' });
  client.evaluateV2({ user_id: 'nobody' }, undefined, { tracksExposure: true });
  await client.flush();
  t.is(emulator.events().length, 1);
  const [event] = emulator.events();
  t.is(event.event_type, '[Experiment] Exposure');
  t.is(event.user_id, 'u');
  t.is(event.event_properties['[Experiment] Variant'], 'on');
  t.is(event.event_properties['[Experiment] Experiment Key'], 'exp-1');
  await client.close();
});

test.serial('ids that are no JSON cost their own event alone', async (t) => {
  const emulator = await emulated(t);
  const errors = [];
  const client = new ours.LocalEvaluationClient('k', {
    bootstrap: bootstrapOf(FLAGS),
    exposureConfig: options(emulator),
    loggerProvider: { ...silent, error: (message) => errors.push(message) },
  });
  const cycle = {};
  cycle.self = cycle;
  for (const broken of [
    { user_id: 5n },
    { user_id: Symbol('s') },
    { user_id: 'u', groups: cycle },
    { user_id: 'fine' },
  ]) {
    t.is(client.evaluateV2(broken, undefined, { tracksExposure: true }).exp.key, 'on');
  }
  await client.flush();
  // A symbol has no JSON: its event goes without an id, as upstream's does.
  t.deepEqual(
    emulator
      .events()
      .map((event) => event.user_id)
      .sort(),
    ['fine', undefined],
  );
  t.deepEqual(errors, Array(2).fill('[Experiment] an evaluation could not be tracked'));
});

test.serial('random tracked evaluations reach the server as upstream sends them', async (t) => {
  const random = new Random(Number(process.env.EXPERIMENT_TEST_SEED || 7));
  const [theirServer, ourServer] = [await emulated(t), await emulated(t)];
  const list = flags(random, 10);
  const make = (module, emulator) =>
    new module.LocalEvaluationClient('k', {
      bootstrap: bootstrapOf(list),
      loggerProvider: silent,
      exposureConfig: options(emulator),
      assignmentConfig: options(emulator),
    });
  const theirs = make(upstream, theirServer);
  const our = make(ours, ourServer);
  const midnight = (at) => Math.floor(at / 86400000);
  const day = midnight(Date.now());
  for (let i = 0; i < 2000; i++) {
    const subject = user(random);
    const keys = random.chance(0.6)
      ? undefined
      : random
          .some(list, 3)
          .map((flag) => flag.key)
          .concat('flag-0');
    theirs.evaluateV2(structuredClone(subject), keys, { tracksExposure: true });
    our.evaluateV2(subject, keys, { tracksExposure: true });
  }
  await our.flush();
  const count = ourServer.events().length;
  t.true(count > 2000, `${count} events`);
  await theirServer.waitForEvents(count, 90_000);
  if (midnight(Date.now()) !== day) return t.pass('the day has changed meanwhile');
  t.deepEqual(ourServer.events().map(essence).sort(), theirServer.events().map(essence).sort());
});

/**
 * Runs a process that tracks so many events and then does something; says how it ended.
 * @param {{ emulator: Emulator, then: string, events?: number, options?: object }} what
 */
async function processThatTracks({ emulator, then, events = 50, options = {} }) {
  const config = {
    bootstrap: bootstrapOf(FLAGS),
    exposureConfig: {
      apiKey: 'api',
      serverUrl: `${emulator.url}/2/httpapi`,
      loggerProvider: undefined,
      logLevel: 0,
      ...options,
    },
  };
  const script = `
    const { LocalEvaluationClient } = require(${JSON.stringify(path.join(__dirname, '..'))});
    const client = new LocalEvaluationClient('k', ${JSON.stringify(config)});
    for (let i = 0; i < ${events}; i++)
      client.evaluateV2({ user_id: 'u' + i }, undefined, { tracksExposure: true });
    ${then}`;
  const start = Date.now();
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  const [code, signal] = await new Promise((resolve) => child.on('exit', (...end) => resolve(end)));
  return { code, signal, millis: Date.now() - start };
}

const ids = (emulator) => new Set(emulator.events().map((event) => event.insert_id));

for (const [how, then, exitCode] of [
  ['a natural end', '', 0],
  ['process.exit', 'process.exit(0);', 0],
  [
    'a SIGTERM whose handler exits',
    `process.on('SIGTERM', () => process.exit(3)); setInterval(() => {}, 1000); process.kill(process.pid, 'SIGTERM');`,
    3,
  ],
  ['an uncaught exception', `throw new Error('uncaught');`, 1],
]) {
  test.serial(`events are delivered at ${how} of the process`, async (t) => {
    const emulator = await emulated(t);
    const { code } = await processThatTracks({ emulator, then });
    t.is(code, exitCode);
    t.is(emulator.events().length, 50);
    t.is(ids(emulator).size, 50);
  });
}

test.serial('exitDrainMillis of nought turns the drain at process.exit off', async (t) => {
  const emulator = await emulated(t);
  const options = { exitDrainMillis: 0, flushIntervalMillis: 60_000 };
  const { code } = await processThatTracks({ emulator, then: 'process.exit(0);', options });
  t.is(code, 0);
  t.is(emulator.events().length, 0);
});

test.serial('exitWaitMillis bounds the natural end where the server does not answer', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', { kind: 'silence' });
  const bounded = { exitWaitMillis: 100, exitDrainMillis: 0 };
  const short = await processThatTracks({ emulator, then: '', options: bounded });
  const long = await processThatTracks({ emulator, then: '', options: { ...bounded, exitWaitMillis: 4000 } });
  t.is(short.code, 0);
  t.is(long.code, 0);
  // Both start a process, which takes however long it takes.
  t.true(long.millis - short.millis > 1500, `${short.millis} and ${long.millis}`);
});

test.serial(
  'a killed process loses its events, and with a spool the next process delivers them',
  async (t) => {
    const emulator = await emulated(t);
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'spool-'));
    t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
    const then = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1500);`;
    const waiting = { flushIntervalMillis: 60_000 };
    t.is((await processThatTracks({ emulator, then, options: waiting })).signal, 'SIGKILL');
    t.is(emulator.events().length, 0);
    const options = { ...waiting, spoolDirectory: directory };
    t.is((await processThatTracks({ emulator, then, options })).signal, 'SIGKILL');
    t.is(emulator.events().length, 0);
    const next = await processThatTracks({ emulator, then: 'client.flush();', events: 0, options });
    t.is(next.code, 0);
    await emulator.waitForEvents(50, 20_000);
    t.is(emulator.events().length, 50);
    t.is(ids(emulator).size, 50);
  },
);

test.serial('events wait for a server that is down, and arrive once it is back', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', { kind: 'close', times: 2 });
  const client = new ours.LocalEvaluationClient('k', {
    bootstrap: bootstrapOf(FLAGS),
    exposureConfig: { apiKey: 'api', serverUrl: `${emulator.url}/2/httpapi`, loggerProvider: quiet },
  });
  for (let i = 0; i < 50; i++) client.evaluateV2({ user_id: `u${i}` }, undefined, { tracksExposure: true });
  await client.flush();
  t.is(emulator.events().length, 50);
  t.is(ids(emulator).size, 50);
});

test.serial('however many clients track, the process is listened to once', (t) => {
  const before = process.listenerCount('beforeExit');
  for (let i = 0; i < 20; i++)
    new ours.LocalEvaluationClient('k', { exposureConfig: { apiKey: 'api', offline: true } });
  t.true(process.listenerCount('beforeExit') <= before + 1);
});
