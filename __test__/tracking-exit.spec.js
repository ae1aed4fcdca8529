'use strict';

/** The end of a process that has events to deliver: what it recorded against what the server received. */

const test = require('ava');
const { distinct, emulated } = require('./support/tracked');
const { tracker } = require('./support/tracker-process');

const options = (emulator, more = {}) => ({
  apiKey: 'api',
  serverUrl: `${emulator.url}/2/httpapi`,
  flushIntervalMillis: 60_000,
  logLevel: 0,
  ...more,
});

/** Both kinds, with time for a busy machine. */
const both = (emulator, more = {}) => {
  const config = options(emulator, { exitDrainMillis: 20_000, exitWaitMillis: 20_000, ...more });
  return { exposure: config, assignment: config };
};

for (const [end, how, exitCode] of [
  ['a natural end', 'naturally', 0],
  ['process.exit', 'exit', 0],
  ['a SIGTERM whose handler exits', 'handle', 3],
  ['an uncaught exception', 'throw', 1],
  ['an unhandled rejection', 'reject', 1],
]) {
  test.serial(`events are delivered at ${end} of the process`, async (t) => {
    const emulator = await emulated(t);
    const { code, tracked } = await tracker(t, { ...both(emulator), users: 500, how }).ended;
    t.is(code, exitCode);
    t.is(tracked.filter(({ user }) => user.startsWith('u')).length, 500);
    t.is(emulator.events().length, 2 * 500);
    t.is(distinct(emulator), 2 * 500);
  });
}

test.serial('events are delivered at a SIGTERM from outside, those of the last moment too', async (t) => {
  const emulator = await emulated(t);
  const process = tracker(t, { ...both(emulator), users: 3000, everyMillis: 1, how: 'serve' });
  await process.says('ready');
  process.child.kill('SIGTERM');
  const { code, tracked } = await process.ended;
  const recorded = tracked.filter(({ user }) => user.startsWith('u')).length;
  t.is(code, 3);
  t.true(recorded >= 3000);
  t.is(emulator.events().length, 2 * recorded);
  t.is(distinct(emulator), 2 * recorded);
});

test.serial('by default half a second is enough for fifty events at process.exit', async (t) => {
  const emulator = await emulated(t);
  await tracker(t, { exposure: options(emulator), users: 50, how: 'exit' }).ended;
  t.is(distinct(emulator), 50);
});

test.serial('exitDrainMillis of nought turns the drain at process.exit off', async (t) => {
  const emulator = await emulated(t);
  const exposure = options(emulator, { exitDrainMillis: 0 });
  const { code } = await tracker(t, { exposure, users: 50, how: 'exit' }).ended;
  t.is(code, 0);
  t.is(emulator.events().length, 0);
});

for (const [end, how, option] of [
  ['the natural end', 'naturally', 'exitWaitMillis'],
  ['process.exit', 'exit', 'exitDrainMillis'],
]) {
  test.serial(`${option} bounds ${end} where the server does not answer`, async (t) => {
    const emulator = await emulated(t);
    emulator.fail('events', { kind: 'silence' });
    const run = (millis) => {
      const exposure = options(emulator, { exitWaitMillis: 0, exitDrainMillis: 0, [option]: millis });
      return tracker(t, { exposure, users: 50, how }).ended;
    };
    const short = await run(100);
    const long = await run(4000);
    t.is(short.code, 0);
    t.is(long.code, 0);
    // Both start a process, which takes however long it takes.
    const more = long.millis - short.millis;
    t.true(more > 1500 && more < 20_000, `${short.millis} and ${long.millis}`);
  });
}

test.serial('without a spool what a killed process has not sent is lost', async (t) => {
  const emulator = await emulated(t);
  const { signal, tracked } = await tracker(t, {
    ...both(emulator),
    users: 50,
    how: 'kill',
    afterMillis: 300,
  }).ended;
  t.is(signal, 'SIGKILL');
  t.is(tracked.length, 50);
  t.is(emulator.events().length, 0);
});

test.serial('events wait for a server that is down, and arrive once it is back', async (t) => {
  const emulator = await emulated(t);
  await emulator.suspend();
  const config = both(emulator, { flushIntervalMillis: 50, flushMaxRetries: 1000 });
  const process = tracker(t, { ...config, users: 1000, how: 'serve' });
  await process.says('ready');
  // Long enough for attempts in vain.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.is(emulator.events().length, 0);
  await emulator.resume();
  await emulator.waitForEvents(2000, 60_000);
  process.child.kill('SIGTERM');
  const { tracked } = await process.ended;
  t.is(tracked.filter(({ user }) => user.startsWith('u')).length, 1000);
  t.is(emulator.events().length, 2000);
  t.is(distinct(emulator), 2000);
});
