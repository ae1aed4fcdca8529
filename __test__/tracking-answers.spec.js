'use strict';

/**
 * What becomes of events by what a server answers, over a real connection: every row of the contract's tables (analytics
 * 5.2 and 5.3), with what section 7 changes. Delays of seconds are tested on a clock of their own, in
 * `__test__/rust/tracking/classes.rs`.
 */

const test = require('ava');
const ours = require('..');
const { analyticsLog, distinct, emulated, exposeMany, pipeline, tracking } = require('./support/tracked');

/**
 * Three events, and after the failures an answer like any other.
 * @returns the user ids of each request, and the log
 */
async function sentTo(t, failures, { count = 3, options = {}, setUp = () => {} } = {}) {
  const emulator = await emulated(t);
  for (const failure of failures)
    emulator.fail('events', typeof failure === 'function' ? failure : { times: 1, ...failure });
  setUp(emulator);
  const log = analyticsLog();
  const config = { requestTimeoutMillis: 20_000, loggerProvider: log.provider, logLevel: 3, ...options };
  const client = tracking(t, ours, pipeline(emulator, config));
  exposeMany(client, count);
  await client.flush();
  await client.close();
  const requests = emulator.requests.filter(({ events }) => events);
  return {
    emulator,
    log,
    requests,
    users: requests.map(({ events }) => events.map((event) => event.user_id)),
  };
}

const answered = (status, body = '') => ({
  kind: 'status',
  status,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const ALL = ['u0', 'u1', 'u2'];

// The first table: what an answer is taken for.

for (const [what, failure] of [
  ['200 without a body', answered(200)],
  ['200 with HTML', answered(200, '<html>')],
  ['204', answered(204)],
  ['200 and null', answered(200, 'null')],
  ['500 whose body says 200', answered(500, { code: 200 })],
  ['200 and an object without a code', answered(200, {})],
  ['200 and an error without a code', answered(200, { error: 'x' })],
  ['200 and a list', answered(200, '[]')],
  ['200 and a string', answered(200, '"success"')],
  ['200 and a number', answered(200, '123')],
]) {
  test(`${what} is a success`, async (t) => {
    const { users, log } = await sentTo(t, [failure]);
    t.deepEqual(users, [ALL]);
    t.deepEqual(log.of('error').concat(log.of('warn')), []);
    t.deepEqual(log.of('log'), ['Event tracked successfully: 3 events']);
  });
}

for (const [what, status, failure, options] of [
  ['a connection closed before the answer', 'failed', { kind: 'close' }],
  ['a connection reset before the answer', 'failed', { kind: 'reset' }],
  ['a connection reset in the headers', 'failed', { kind: 'reset-in-headers' }],
  ['a connection lost in the body', '(unknown|failed)', { kind: 'cut', afterBytes: 10 }],
  ['a server that never answers', 'Timeout', { kind: 'silence' }, { requestTimeoutMillis: 300 }],
  [
    'an answer that trickles',
    'Timeout',
    { kind: 'drip', chunkBytes: 1, everyMillis: 200 },
    { requestTimeoutMillis: 400 },
  ],
  ['408', 'Timeout', answered(408)],
  ['a redirect', 'unknown', { ...answered(302), headers: { Location: '/elsewhere' } }],
  ['500', 'failed', answered(500)],
  ['503 with HTML', 'failed', answered(503, '<html>')],
  ['200 whose body says 500', 'failed', answered(200, { code: 500 })],
  ['500 and a number', 'failed', answered(500, '123')],
  ['429 without a body', 'rate_limit', answered(429)],
  ['429 and an object without a code', 'rate_limit', answered(429, { error: 'slow down' })],
  ['400 with text', 'invalid', answered(400, 'no')],
  ['401 with text', 'invalid', answered(401, 'who are you')],
  ['404 with HTML', 'invalid', answered(404, '<html>')],
]) {
  test(`${what} is worth another attempt`, async (t) => {
    const { users, log, emulator } = await sentTo(t, [failure], { options });
    t.deepEqual(users, [ALL, ALL]);
    t.is(emulator.requests.length, 2, 'nobody follows a redirect');
    t.is(log.of('warn').length, 1);
    t.regex(log.of('warn')[0], new RegExp(`"?Status '${status}' provided for 3 events"?`));
    t.deepEqual(log.of('error'), []);
  });
}

test('a refused connection is worth another attempt', async (t) => {
  const gone = await emulated(t);
  await gone.close();
  const log = analyticsLog();
  const client = tracking(t, ours, pipeline(gone, { loggerProvider: log.provider, flushMaxRetries: 2 }));
  exposeMany(client, 3);
  await client.flush();
  await client.close();
  t.is(log.of('warn').length, 2);
  t.regex(log.of('warn')[0], /Status 'failed' provided for 3 events.*ECONNREFUSED|refused/i);
});

// The second table: what becomes of the events.

const given = (error, more = {}) => answered(400, { code: 400, error, ...more });
const dropped = (count, reason, code) => `${count} events dropped: ${count} × ${reason} (code ${code})`;

test('what fails until its last send is dropped, with code 500', async (t) => {
  const failure = { ...answered(500), times: 100 };
  const { users, log } = await sentTo(t, [failure], { options: { flushMaxRetries: 3 } });
  t.deepEqual(users, [ALL, ALL, ALL]);
  t.deepEqual(log.of('error'), [dropped(3, 'Event rejected due to exceeded retry count', 500)]);
});

test('delays between attempts grow', async (t) => {
  const { requests } = await sentTo(t, [{ ...answered(500), times: 4 }]);
  t.is(requests.length, 5);
  const gaps = requests.slice(1).map(({ receivedAt }, index) => receivedAt - requests[index].receivedAt);
  // Of at least half of 100, 200, 400 and 800 ms.
  [50, 100, 200, 400].forEach((least, index) => t.true(gaps[index] >= least - 5, `${gaps}`));
});

for (const [what, failure] of [
  ['a missing field', given('Request missing required field', { missing_field: 'api_key' })],
  ['an invalid API key', given('Invalid API key: 0123')],
]) {
  test(`${what} drops the whole batch at once`, async (t) => {
    const { users, log } = await sentTo(t, [failure]);
    t.deepEqual(users, [ALL]);
    const { error } = JSON.parse(failure.body);
    t.deepEqual(log.of('error'), [dropped(3, error, 400)]);
  });
}

test('of a batch with invalid events only these are dropped, whichever list names them', async (t) => {
  const failure = given('bad events', {
    events_with_invalid_fields: { time: [1, 3] },
    events_with_missing_fields: { event_type: [4] },
    events_with_invalid_id_lengths: { user_id: [6] },
    silenced_events: [5],
  });
  const { users, log } = await sentTo(t, [failure], { count: 8 });
  t.deepEqual(users.slice(1), [['u0', 'u2', 'u7']]);
  t.deepEqual(log.of('error'), [dropped(5, 'bad events', 400)]);
});

test('one event that is too large is dropped', async (t) => {
  const { users, log } = await sentTo(t, [answered(413, { code: 413, error: 'too much' })], { count: 1 });
  t.deepEqual(users, [['u0']]);
  t.deepEqual(log.of('error'), [dropped(1, 'too much', 413)]);
});

test('a batch that is too large is split, and later ones are whole again', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', ({ events }) =>
    events && events.length > 4 ? answered(413, { code: 413, error: 'too much' }) : undefined,
  );
  const log = analyticsLog();
  const client = tracking(t, ours, pipeline(emulator, { flushQueueSize: 16, loggerProvider: log.provider }));
  const sizes = () => emulator.requests.map(({ events }) => events.length);
  exposeMany(client, 16);
  await client.flush();
  t.deepEqual(
    sizes().toSorted((a, b) => b - a),
    [16, 8, 8, 4, 4, 4, 4],
  );
  t.is(distinct(emulator), 16);
  emulator.clearFailures();
  exposeMany(client, 16, 'later');
  await client.flush();
  t.deepEqual(sizes().slice(7), [16]);
  t.deepEqual(log.of('error'), []);
});

test('quotas drop whom they name, and nobody else', async (t) => {
  const failure = answered(429, {
    code: 429,
    error: 'quota',
    exceeded_daily_quota_users: { u1: 9 },
    exceeded_daily_quota_devices: { d: 9 },
  });
  const { users, log } = await sentTo(t, [failure]);
  t.deepEqual(users, [ALL, ['u0', 'u2']]);
  t.deepEqual(log.of('error'), [dropped(1, 'quota', 429)]);
  t.is(log.of('warn').length, 1);
});

test('throttled events wait, and nobody waits with them', async (t) => {
  const emulator = await emulated(t);
  emulator.fail('events', {
    ...answered(429, { code: 429, error: 'slow', throttled_events: [1] }),
    headers: { 'Retry-After': '2' },
    times: 1,
  });
  const client = tracking(t, ours, pipeline(emulator, { flushQueueSize: 3 }));
  exposeMany(client, 3);
  await emulator.waitForRequests('events', 1);
  exposeMany(client, 3, 'later');
  await emulator.waitForEvents(3);
  const users = () => emulator.events().map((event) => event.user_id);
  t.deepEqual(users(), ['later0', 'later1', 'later2']);
  await client.flush();
  t.is(users().length, 6);
  const requests = emulator.requests;
  const throttled = requests.find(
    ({ events, taken }) => taken && events.some(({ user_id: id }) => id === 'u1'),
  );
  t.true(throttled.receivedAt - requests[0].receivedAt >= 1990);
});

for (const status of [429, 503]) {
  test(`${status} with Retry-After is obeyed`, async (t) => {
    const failure = { ...answered(status), headers: { 'Retry-After': '1' } };
    const { requests, users } = await sentTo(t, [failure]);
    t.deepEqual(users, [ALL, ALL]);
    t.true(
      requests[1].receivedAt - requests[0].receivedAt >= 990,
      `${requests[1].receivedAt - requests[0].receivedAt}`,
    );
  });
}

test('an error that is no text is an answer like others', async (t) => {
  const { users } = await sentTo(t, [answered(400, { code: 400, error: 7 })]);
  t.deepEqual(users, [ALL, ALL]);
});

test('what a server says about the key is not shown', async (t) => {
  const { log } = await sentTo(t, [given('Invalid API key: api')]);
  t.deepEqual(log.of('error'), [dropped(3, 'Invalid API key: ***', 400)]);
});
