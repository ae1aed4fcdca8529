'use strict';

/** Events on disk: what a killed process leaves to the next, and disks that do not do what they should. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('ava');
const ours = require('..');
const { analyticsLog, distinct, emulated, exposeMany, pipeline, tracking } = require('./support/tracked');
const { tracker } = require('./support/tracker-process');

/** A directory that is gone after the test. */
function temporary(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-spool-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Segments with their sizes. */
function segments(directory) {
  return (
    fs
      .readdirSync(directory, { recursive: true })
      .filter((name) => name.endsWith('.seg'))
      .map((name) => path.join(directory, name))
      // One that goes meanwhile takes no room.
      .map((file) => ({ file, stat: fs.statSync(file, { throwIfNoEntry: false }) }))
      .filter(({ stat }) => stat)
      .map(({ file, stat }) => ({ file, bytes: stat.size }))
  );
}

const bytesIn = (directory) => segments(directory).reduce((sum, { bytes }) => sum + bytes, 0);

/** Resolves when it is so. */
async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const spooled = (emulator, spoolDirectory, more = {}) => ({
  apiKey: 'api',
  serverUrl: `${emulator.url}/2/httpapi`,
  flushIntervalMillis: 60_000,
  flushQueueSize: 5000,
  logLevel: 0,
  spoolDirectory,
  ...more,
});

const both = (config) => ({ exposure: config, assignment: config });

/** Events on disk of a process that was killed while the server was away. */
async function leftBehind(t, emulator, spoolDirectory, users, prefix = 'u') {
  await emulator.suspend();
  const exposure = spooled(emulator, spoolDirectory);
  const { signal, tracked } = await tracker(t, { exposure, users, prefix, how: 'kill', afterMillis: 1500 })
    .ended;
  t.is(signal, 'SIGKILL');
  t.is(tracked.length, users);
  await emulator.resume();
}

/** What a machine that is busy with other things may be late by. */
const LATE_MILLIS = 150;

test.serial(
  'what was recorded more than a moment before a kill is delivered by the next process',
  async (t) => {
    const emulator = await emulated(t);
    const directory = temporary(t);
    const config = both(spooled(emulator, directory));
    const life = { ...config, users: 200, everyMillis: 2, how: 'kill', afterMillis: 1000 };
    const { signal, tracked } = await tracker(t, life).ended;
    t.is(signal, 'SIGKILL');
    t.is(emulator.events().length, 0);
    const last = tracked.at(-1).at;
    const safe = tracked.filter(({ at }) => at < last - 100 - LATE_MILLIS).map(({ user }) => user);
    t.true(safe.length > 200, `${safe.length} of ${tracked.length}`);

    const next = await tracker(t, {
      ...both(spooled(emulator, directory, { exitWaitMillis: 20_000 })),
      how: 'naturally',
      afterMillis: 2000,
    }).ended;
    t.is(next.code, 0);
    const exposed = new Map();
    for (const event of emulator.events()) exposed.set(`${event.event_type} ${event.user_id}`, event);
    for (const user of safe) {
      t.truthy(exposed.get(`[Experiment] Exposure ${user}`), `${user}'s exposure`);
      t.truthy(exposed.get(`[Experiment] Assignment ${user}`), `${user}'s assignment`);
    }
    // Under its own insert id and with its own time, once.
    const times = new Map(tracked.map(({ user, at }) => [user, at]));
    for (const event of emulator.events()) {
      t.true(event.insert_id.startsWith(`${event.user_id} undefined `));
      t.true(Math.abs(event.time - times.get(event.user_id)) < 1000);
    }
    t.is(distinct(emulator), emulator.events().length);
    t.deepEqual(segments(directory), []);
  },
);

test.serial('two heirs at once deliver each event once', async (t) => {
  const emulator = await emulated(t);
  const directory = temporary(t);
  for (let process = 0; process < 3; process++)
    await leftBehind(t, emulator, directory, 100 + process, `${process}-`);
  const heir = () =>
    tracker(t, {
      exposure: spooled(emulator, directory, { flushIntervalMillis: 10, exitWaitMillis: 20_000 }),
      how: 'naturally',
      afterMillis: 2000,
    }).ended;
  const heirs = await Promise.all([heir(), heir()]);
  t.deepEqual(
    heirs.map(({ code }) => code),
    [0, 0],
  );
  t.is(emulator.events().length, 303);
  t.is(distinct(emulator), 303);
  t.deepEqual(segments(directory), []);
});

test.serial('a last record that is torn costs that event alone', async (t) => {
  const emulator = await emulated(t);
  const directory = temporary(t);
  await leftBehind(t, emulator, directory, 50);
  const [{ file, bytes }] = segments(directory);
  fs.truncateSync(file, bytes - 5);
  const exposure = spooled(emulator, directory, { flushIntervalMillis: 10 });
  const next = tracker(t, { exposure, how: 'serve' });
  await emulator.waitForEvents(49, 20_000);
  next.child.kill('SIGTERM');
  await next.ended;
  t.deepEqual(
    emulator.events().map((event) => event.user_id),
    Array.from({ length: 49 }, (_, i) => `u${i}`),
  );
});

test.serial('a spool stays inside its bound', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', { kind: 'silence' });
  const directory = temporary(t);
  const bound = 200_000;
  const log = analyticsLog();
  const client = tracking(
    t,
    ours,
    pipeline(emulator, {
      spoolDirectory: directory,
      spoolMaxBytes: bound,
      requestTimeoutMillis: 200,
      flushMaxRetries: 1000,
      loggerProvider: log.provider,
    }),
  );
  let most = 0;
  for (let i = 0; i < 40; i++) {
    exposeMany(client, 100, `${i}-`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    most = Math.max(most, bytesIn(directory));
  }
  await until(() => log.of('warn').some((line) => line.startsWith('The spool is full')));
  // Files that come and go are not all looked at in one moment.
  t.true(most > bound / 2 && most < 1.2 * bound && bytesIn(directory) <= bound, `${most}`);
  // Memory still has them all.
  emulator.clearFailures();
  await client.close({ timeoutMillis: 20_000 });
  t.is(distinct(emulator), 4000);
});

// Windows has no such limits, and its shell no such command.
const onUnix = process.platform === 'win32' ? test.skip : test.serial;

onUnix('a disk that takes no more is told of once; evaluation and delivery go on', async (t) => {
  const emulator = await emulated(t);
  const directory = temporary(t);
  // No file of the process grows beyond eight blocks: what is written then fails as on a full disk.
  const limited = (command) => ['/bin/sh', '-c', 'ulimit -f 8; exec "$@"', 'sh', ...command];
  const exposure = spooled(emulator, directory, { logLevel: 2, exitDrainMillis: 20_000 });
  const life = { exposure, users: 500, how: 'exit', afterMillis: 1000 };
  const { code, tracked, errors } = await tracker(t, life, limited).ended;
  t.is(code, 0);
  t.is(tracked.length, 500);
  t.is(distinct(emulator), 500);
  const lines = errors.split('\n').filter(Boolean);
  t.is(lines.length, 1, errors);
  t.regex(
    lines[0],
    /^Amplitude Logger \[Error\]: Events cannot be saved to the spool \(.*\): they are kept in memory only/,
  );
});

test.serial('what is delivered leaves the disk, what is not stays there', async (t) => {
  const emulator = await emulated(t);
  const directory = temporary(t);
  const client = tracking(
    t,
    ours,
    pipeline(emulator, { spoolDirectory: directory, flushIntervalMillis: 60_000 }),
  );
  exposeMany(client, 20);
  await until(() => bytesIn(directory) > 0);
  await client.flush();
  await until(() => segments(directory).length === 0);
  t.is(distinct(emulator), 20);
});

test.serial('a directory that cannot be used costs durability only', async (t) => {
  const emulator = await emulated(t);
  const directory = temporary(t);
  const file = path.join(directory, 'file');
  fs.writeFileSync(file, '');
  const log = analyticsLog();
  const client = tracking(
    t,
    ours,
    pipeline(emulator, { spoolDirectory: path.join(file, 'below'), loggerProvider: log.provider }),
  );
  exposeMany(client, 5);
  await client.flush();
  t.is(distinct(emulator), 5);
  t.regex(log.of('error')[0], /^The spool directory cannot be used/);
});
