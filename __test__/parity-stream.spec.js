'use strict';

/**
 * What upstream's tests ask of streaming, through an event source of the caller's. What takes seconds there is tested on a
 * paused clock in Rust; here is what can be seen at once.
 */

const test = require('ava');
const ours = require('..');
const { silent, flag, members, USER_COHORTS } = require('./support/outcome');

const messageOf = (...flags) => ({ type: 'message', data: JSON.stringify(flags) });

/** A client that streams from sources of ours and polls from a server of ours. */
function streaming(t, { polled = [flag('polled')], behave = () => {}, cohort, ...config } = {}) {
  const sources = [];
  const requests = [];
  const factory = (url, params) => {
    const source = { CLOSED: 0, CONNECTING: 1, OPEN: 2, url, params, readyState: 1, withCredentials: false };
    source.closed = 0;
    source.close = () => void source.closed++;
    source.open = () => source.onopen({ type: 'open' });
    source.send = (...flags) => source.onmessage(messageOf(...flags));
    source.fail = (status) => source.onerror({ status, message: 'failed' });
    sources.push(source);
    // As event sources do: nothing happens before the listeners are there.
    setImmediate(() => behave(source, sources.length));
    return source;
  };
  const httpClient = {
    async request(url) {
      requests.push(url);
      if (url.includes('/cohort/')) {
        if (!cohort) return { status: 500, body: '' };
        return { status: 200, body: JSON.stringify(cohort) };
      }
      return { status: 200, body: JSON.stringify(polled) };
    },
  };
  const client = new ours.LocalEvaluationClient(
    'key',
    { streamUpdates: true, streamFlagConnTimeoutMillis: 200, loggerProvider: silent, ...config },
    undefined,
    httpClient,
    factory,
  );
  t.teardown(() => client.stop());
  const keys = () => Object.keys(client.evaluateV2({ user_id: 'u' }));
  const polls = () => requests.filter((url) => url.endsWith('/flags')).length;
  return { client, sources, requests, keys, polls };
}

async function until(check) {
  for (let i = 0; i < 1000; i++) {
    if (check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

const succeed = (source) => {
  source.open();
  source.send(flag('streamed'));
};

test('a stream that works is opened once, and nothing is polled; each message replaces all flags', async (t) => {
  const { client, sources, keys, polls } = streaming(t, { behave: succeed });
  await client.start();
  t.deepEqual(keys(), ['streamed']);
  sources[0].send(flag('b'), flag('a'));
  t.true(await until(() => keys().join() === 'b,a'));
  sources[0].onmessage({ type: 'message', data: ' ' });
  sources[0].send(flag('c'));
  t.true(await until(() => keys().join() === 'c'));
  t.is(sources.length, 1);
  t.is(polls(), 0);
});

for (const [why, behave] of [
  ['503', (source) => source.fail(503)],
  ['501', (source) => source.fail(501)],
  ['404', (source) => source.fail(404)],
  ['nothing but a message', (source) => source.fail(undefined)],
  ['data that are no flags', (source) => (source.open(), source.onmessage({ type: 'message', data: 'bad' }))],
  ['an open stream that says nothing', (source) => source.open()],
  ['silence', () => {}],
]) {
  test(`a first attempt that ends in ${why} is the only one; flags are polled`, async (t) => {
    const { client, sources, keys, polls } = streaming(t, { behave });
    await client.start();
    t.deepEqual(keys(), ['polled']);
    t.is(polls(), 1);
    t.is(sources.length, 1);
    t.true(await until(() => sources[0].closed > 0));
  });
}

test('polling after a failed stream brings changes', async (t) => {
  const polled = [flag('fetcher-a')];
  const { client, keys } = streaming(t, {
    polled,
    behave: (source) => source.fail(503),
    flagConfigPollingIntervalMillis: 20,
  });
  await client.start();
  t.deepEqual(keys(), ['fetcher-a']);
  polled[0] = flag('fetcher-b');
  t.true(await until(() => keys().join() === 'fetcher-b'));
});

test('a stream that is lost after its start is opened again, without a poll where that works', async (t) => {
  const { client, sources, keys, polls } = streaming(t, {
    behave: (source, count) => (source.open(), source.send(flag(`from-${count}`))),
  });
  await client.start();
  t.deepEqual(keys(), ['from-1']);
  sources[0].fail(500);
  t.true(await until(() => keys().join() === 'from-2'));
  t.is(polls(), 0);
  t.true(sources[0].closed > 0);
});

test('a stream that is lost for good is polled for', async (t) => {
  const { client, sources, keys, polls } = streaming(t, {
    behave: (source, count) => (count === 1 ? succeed(source) : source.fail(500)),
  });
  await client.start();
  sources[0].onmessage({ type: 'message', data: 'bad' });
  t.true(await until(() => polls() > 0 && keys().join() === 'polled'));
  t.is(sources.length, 2);
});

test('two starts make one stream', async (t) => {
  const { client, sources, polls } = streaming(t, { behave: succeed });
  await Promise.all([client.start(), client.start()]);
  t.is(sources.length, 1);
  t.is(polls(), 0);
});

test('a start that is stopped at once neither streams nor polls any more, and may start again', async (t) => {
  const { client, sources, keys, polls } = streaming(t, {
    behave: (source, count) => count > 1 && succeed(source),
  });
  const start = client.start();
  t.true(await until(() => sources.length === 1));
  client.stop();
  await start;
  t.true(await until(() => sources[0].closed > 0));
  t.is(polls(), 0);
  await client.start();
  t.deepEqual(keys(), ['streamed']);
  t.is(sources.length, 2);
  t.is(polls(), 0);
});

test('start while polling tries the stream again and stops the polls', async (t) => {
  const { client, sources, keys } = streaming(t, {
    behave: (source, count) => (count === 1 ? source.fail(503) : succeed(source)),
  });
  await client.start();
  t.deepEqual(keys(), ['polled']);
  await client.start();
  t.true(await until(() => keys().join() === 'streamed'));
  t.is(sources.length, 2);
});

const cohortSyncConfig = { apiKey: 'a', secretKey: 's', cohortServerUrl: 'http://cohorts' };

test('the cohorts of streamed flags are downloaded, without a poll', async (t) => {
  const cohort = {
    cohortId: 'c1',
    groupType: 'User',
    groupTypeId: 0,
    lastModified: 1,
    size: 1,
    memberIds: ['u'],
  };
  const { client, sources, keys, polls, requests } = streaming(t, {
    behave: succeed,
    cohort,
    cohortSyncConfig,
  });
  await client.start();
  sources[0].send(flag('targeted', { segments: [members(USER_COHORTS, ['c1'])] }));
  t.true(await until(() => keys().join() === 'targeted'));
  t.is(requests.filter((url) => url.includes('/sdk/v1/cohort/c1')).length, 1);
  t.is(polls(), 0);
});

for (const when of ['in the first message', 'in a later one']) {
  test(`a cohort that fails ${when} costs neither the flags nor the stream`, async (t) => {
    const targeted = flag('targeted', { segments: [members(USER_COHORTS, ['c1']), { variant: 'on' }] });
    const first = when === 'in the first message';
    const { client, sources, keys, polls } = streaming(t, {
      behave: (source) => (source.open(), source.send(first ? targeted : flag('streamed'))),
      cohortSyncConfig,
    });
    await client.start();
    if (!first) sources[0].send(targeted);
    t.true(await until(() => keys().join() === 'targeted'));
    t.is(sources.length, 1);
    t.is(polls(), 0);
  });
}
