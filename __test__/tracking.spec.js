'use strict';

/** Exposures as a server receives them: what is sent, what is not, and what odd input costs. */

const test = require('ava');
const ours = require('..');
const {
  FLAGS,
  analyticsLog,
  bootstrapOf,
  distinct,
  emulated,
  expose,
  exposeMany,
  pipeline,
  tracking,
} = require('./support/tracked');

test('an exposure is sent once, and flush resolves when it has been taken', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(t, ours, pipeline(emulator));
  const subject = { user_id: 'u', device_id: 'd' };
  for (let i = 0; i < 3; i++) expose(client, subject);
  client.evaluateV2({ user_id: 'not tracked' });
  expose(client, { user_id: 'nobody' });
  await client.flush();
  t.is(emulator.events().length, 1);
  const [event] = emulator.events();
  t.is(event.event_type, '[Experiment] Exposure');
  t.is(event.user_id, 'u');
  t.is(event.event_properties['[Experiment] Variant'], 'on');
  t.is(event.event_properties['[Experiment] Experiment Key'], 'exp-1');
});

const cycle = () => {
  const group = {};
  group.self = group;
  return group;
};
const throwing = {
  toJSON() {
    throw new Error('not as JSON');
  },
};
const textless = Object.create(null);
const UNABLE = [
  ['a BigInt for an id', { user_id: 5n }, 'user_id'],
  ['a BigInt in an id', { device_id: [1, 5n] }, 'device_id'],
  ['a Symbol for an id', { user_id: Symbol('s') }, 'user_id'],
  ['an id without a text', { device_id: textless, user_id: 'textless' }, undefined],
  ['an id that throws', { user_id: 'id', device_id: throwing }, 'device_id'],
  ['circular groups', { user_id: 'circular', groups: cycle() }, 'groups'],
  ['a BigInt in groups', { user_id: 'big', groups: { org: [1n] } }, 'groups'],
  ['groups that throw', { user_id: 'throws', groups: throwing }, 'groups'],
];

for (const [what, hostile, name] of UNABLE) {
  test(`${what}: that event is dropped and logged, the others go`, async (t) => {
    const emulator = await emulated(t);
    const log = analyticsLog();
    const client = tracking(t, ours, pipeline(emulator, { loggerProvider: log.provider }));
    exposeMany(client, 3, 'before');
    t.is(expose(client, hostile).exp.key, 'on');
    exposeMany(client, 3, 'after');
    await client.close();
    const users = emulator.events().map((event) => event.user_id);
    const others = ['before0', 'before1', 'before2', 'after0', 'after1', 'after2'];
    if (name === undefined) {
      // It has JSON, if no text.
      t.deepEqual(users, others.toSpliced(3, 0, 'textless'));
      return;
    }
    t.deepEqual(users, others);
    t.deepEqual(log.of('error'), [`1 events dropped: 1 × the user's ${name} is not json (code 0)`]);
  });
}

test('a thousand users of whom no event can be made make one line', async (t) => {
  const emulator = await emulated(t);
  const log = analyticsLog();
  const client = tracking(
    t,
    ours,
    pipeline(emulator, { flushIntervalMillis: 60_000, loggerProvider: log.provider }),
  );
  for (let i = 0; i < 1000; i++) expose(client, { user_id: BigInt(i) });
  await client.close();
  const counts = log.of('error').map((line) => Number(line.match(/^(\d+) events dropped/)[1]));
  t.is(
    counts.reduce((sum, count) => sum + count, 0),
    1000,
  );
  t.true(counts.length <= 2, `${counts}`);
});

test('ids too large for a request are dropped and logged, large ones are sent', async (t) => {
  const emulator = await emulated(t);
  const log = analyticsLog();
  const client = tracking(t, ours, pipeline(emulator, { loggerProvider: log.provider }));
  expose(client, { user_id: 'x'.repeat(2_000_000) });
  expose(client, { user_id: 'y'.repeat(400_000) });
  expose(client, { user_id: 'u' });
  await client.close();
  t.deepEqual(
    emulator.events().map((event) => event.user_id.length),
    [400_000, 1],
  );
  t.regex(log.of('error')[0], /^1 events dropped: 1 × the user's ids and groups are larger than/);
});

test('lone surrogates reach the server as they are', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(t, ours, pipeline(emulator));
  expose(client, { user_id: 'a\ud83d', device_id: '\udc00b', groups: { org: ['\ud83d'] } });
  await client.flush();
  const [event] = emulator.events();
  t.is(event.user_id, 'a\ud83d');
  t.is(event.device_id, '\udc00b');
  t.deepEqual(event.groups, { org: ['\ud83d'] });
  t.true(event.insert_id.startsWith('a\ud83d \udc00b '));
});

test('options that cannot be written as JSON are left out with a warning', async (t) => {
  const emulator = await emulated(t);
  const log = analyticsLog();
  const options = { plan: cycle(), ingestionMetadata: { sourceName: 1n }, loggerProvider: log.provider };
  const client = tracking(t, ours, pipeline(emulator, options));
  expose(client, { user_id: 'u' });
  await client.flush();
  const [event] = emulator.events();
  t.false('plan' in event || 'ingestion_metadata' in event);
  t.deepEqual(log.of('warn'), [
    'plan cannot be sent and is left out',
    'ingestionMetadata cannot be sent and is left out',
  ]);
});

test('later changes do not reach recorded events', async (t) => {
  const emulator = await emulated(t);
  const bootstrap = bootstrapOf(FLAGS);
  const client = tracking(t, ours, pipeline(emulator, { flushIntervalMillis: 60_000 }), { bootstrap });
  const user = { user_id: 'u', device_id: 'd', groups: { org: ['acme'] } };
  const variants = expose(client, user);
  user.user_id = 'changed';
  user.groups.org.push('changed');
  user.groups.team = ['changed'];
  variants.exp.metadata.experimentKey = 'changed';
  variants.exp.metadata.changed = true;
  variants.exp.key = 'changed';
  bootstrap.exp.metadata.experimentKey = 'changed';
  client.cache.clear();
  await client.flush();
  const [event] = emulator.events();
  t.deepEqual(event.groups, { org: ['acme'] });
  t.deepEqual(event.event_properties.metadata, {
    experimentKey: 'exp-1',
    flagVersion: 7,
    segmentName: 'All',
  });
  t.false(JSON.stringify(emulator.events()).includes('changed'));
});

test('two kinds are two pipelines: each with its own batches, numbers and memory of repetitions', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(t, ours, pipeline(emulator, { cacheCapacity: 1 }), {
    assignmentConfig: pipeline(emulator, { flushQueueSize: 2 }),
  });
  for (const name of ['a', 'b', 'a', 'b']) expose(client, { user_id: name });
  await client.flush();
  const of = (type) => emulator.events().filter((event) => event.event_type === `[Experiment] ${type}`);
  t.deepEqual(
    of('Exposure').map((event) => [event.user_id, event.event_id]),
    ['a', 'b', 'a', 'b'].map((name, index) => [name, index]),
  );
  t.deepEqual(
    of('Assignment').map((event) => [event.user_id, event.event_id]),
    ['a', 'b'].map((name, index) => [name, index]),
  );
});

test('tracking goes on after stop, and ends with close', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(t, ours, pipeline(emulator));
  client.stop();
  exposeMany(client, 2, 'stopped');
  await client.close();
  expose(client, { user_id: 'closed' });
  await client.flush();
  t.is(distinct(emulator), 2);
});

// The name that runtimes which know `await using` look for; older ones have no such symbol.
const { asyncDispose } = /** @type {any} */ (Symbol);
(asyncDispose ? test : test.skip)('await using delivers what has been tracked, and closes', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(t, ours, pipeline(emulator));
  exposeMany(client, 2);
  await client[asyncDispose]();
  t.is(distinct(emulator), 2);
  expose(client, { user_id: 'closed' });
  await client.flush();
  t.is(distinct(emulator), 2);
});

test('events wait for a server that fails, and arrive once it is well', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', { kind: 'close', times: 2 });
  const client = tracking(t, ours, pipeline(emulator));
  exposeMany(client, 50);
  await client.flush();
  t.is(emulator.events().length, 50);
  t.is(distinct(emulator), 50);
});

test.serial('however many clients track, the process is listened to once', (t) => {
  const before = process.listenerCount('beforeExit');
  for (let i = 0; i < 20; i++)
    new ours.LocalEvaluationClient('k', { exposureConfig: { apiKey: 'api', offline: true } });
  t.true(process.listenerCount('beforeExit') <= before + 1);
});
