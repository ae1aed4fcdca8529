'use strict';

/** The failures that the emulator can be told, as a plain client sees them. */

const zlib = require('zlib');
const test = require('ava');
const { Emulator } = require('../emulator');
const { ask, bytes } = require('./support/wire');

const FLAGS = [{ key: 'flag-1' }, { key: 'flag-2' }];
const WHOLE = JSON.stringify(FLAGS);

/** An emulator with one failure on its flags endpoint, and a way to ask that endpoint. */
async function failing(t, failure, endpoint = 'flags') {
  const emulator = await Emulator.start({ flags: FLAGS, cohorts: [{ cohortId: 'c', memberIds: ['m'] }] });
  t.teardown(() => emulator.close());
  emulator.fail(endpoint, failure);
  const get = (options, path = '/sdk/v2/flags') =>
    ask(emulator.url + path, { timeoutMillis: 5000, ...options });
  return { emulator, get };
}

const REQUEST = 'GET /sdk/v2/flags HTTP/1.1\r\nHost: x\r\n\r\n';

test('a status with a body and headers', async (t) => {
  const { get } = await failing(t, {
    kind: 'status',
    status: 429,
    body: { code: 429 },
    headers: { 'Retry-After': '3' },
  });
  const { status, body, headers } = await get();
  t.is(status, 429);
  t.is(body, '{"code":429}');
  t.is(headers['retry-after'], '3');
});

test('a delay, on its own and before another failure', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'delay', delayMillis: 120, times: 1 });
  emulator.fail('flags', { kind: 'status', status: 500, delayMillis: 120, times: 1 });
  const start = Date.now();
  t.is((await get()).body, WHOLE);
  t.is((await get()).status, 500);
  t.true(Date.now() - start >= 235);
});

// In turn: a reader that is busy sees a reset that follows data as an end.
test.serial('closed and reset before the headers', async (t) => {
  const { emulator } = await failing(t, { kind: 'close', times: 1 });
  emulator.fail('flags', { kind: 'reset', times: 1 });
  t.deepEqual(await bytes(emulator.port, REQUEST), { text: '', end: 'closed' });
  t.deepEqual(await bytes(emulator.port, REQUEST), { text: '', end: 'ECONNRESET' });
  t.deepEqual(
    emulator.requests.map(({ outcome, status }) => [outcome, status]),
    [
      ['broken', undefined],
      ['broken', undefined],
    ],
  );
});

test.serial('reset in the middle of the headers', async (t) => {
  const { emulator } = await failing(t, { kind: 'reset-in-headers' });
  const { text, end } = await bytes(emulator.port, REQUEST);
  t.is(text, 'HTTP/1.1 200 OK\r\nContent-Type: applic');
  t.is(end, 'ECONNRESET');
});

for (const [reset, ending] of [
  [false, 'closed'],
  [true, 'ECONNRESET'],
]) {
  test.serial(`cut in the body, ${ending}`, async (t) => {
    const { emulator, get } = await failing(t, { kind: 'cut', afterBytes: 5, reset });
    const { text, end } = await bytes(emulator.port, REQUEST);
    t.regex(text, new RegExp(`content-length: ${WHOLE.length}`));
    t.true(text.endsWith(`\r\n\r\n${WHOLE.slice(0, 5)}`));
    t.is(end, ending);
    const { status, error } = await get();
    t.is(status, 200);
    t.truthy(error);
    t.is(emulator.requests[0].outcome, 'broken');
  });
}

test('cut in a body of unknown length, without the end that would make it whole', async (t) => {
  const emulator = await Emulator.start({ cohorts: [{ cohortId: 'c', generate: { count: 50_000 } }] });
  t.teardown(() => emulator.close());
  emulator.fail('cohort', { kind: 'cut', afterBytes: 200_000 });
  const { raw, error } = await ask(`${emulator.url}/sdk/v1/cohort/c`);
  t.is(raw.length, 200_000);
  t.truthy(error);
});

test('cut before the first byte of the body', async (t) => {
  const { emulator } = await failing(t, { kind: 'cut', afterBytes: 0 });
  const { text, end } = await bytes(emulator.port, REQUEST);
  t.true(text.endsWith('\r\n\r\n'));
  t.is(end, 'closed');
});

test('a body that stops coming', async (t) => {
  const { emulator } = await failing(t, { kind: 'stall', afterBytes: 6 });
  const { text, end } = await bytes(emulator.port, REQUEST);
  t.true(text.endsWith(`\r\n\r\n${WHOLE.slice(0, 6)}`));
  t.is(end, 'open');
});

test('a body that drips', async (t) => {
  const { get } = await failing(t, { kind: 'drip', chunkBytes: 10, everyMillis: 30 });
  const start = Date.now();
  t.is((await get({ timeoutMillis: 2000 })).body, WHOLE);
  t.true(Date.now() - start >= 30 * Math.floor(WHOLE.length / 10) - 5);
});

test('another content type', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'wrong-content-type', times: 1 });
  emulator.fail('flags', { kind: 'wrong-content-type', contentType: 'image/png' });
  for (const expected of ['text/html', 'image/png']) {
    const { body, headers } = await get();
    t.is(body, WHOLE);
    t.is(headers['content-type'], expected);
  }
});

test('silence', async (t) => {
  const { emulator } = await failing(t, { kind: 'silence' });
  t.deepEqual(await bytes(emulator.port, REQUEST), { text: '', end: 'open' });
});

test('a length that is too great, and one that is too small', async (t) => {
  const { emulator } = await failing(t, { kind: 'wrong-length', times: 1 });
  emulator.fail('flags', { kind: 'wrong-length', by: -4, times: 1 });
  const longer = await bytes(emulator.port, REQUEST);
  t.regex(longer.text, new RegExp(`content-length: ${WHOLE.length + 10}\r\n`));
  t.true(longer.text.endsWith(WHOLE));
  t.is(longer.end, 'open');
  const shorter = await bytes(emulator.port, REQUEST);
  t.regex(shorter.text, new RegExp(`content-length: ${WHOLE.length - 4}\r\n`));
  t.true(shorter.text.endsWith(WHOLE));
});

test('JSON that ends too early, on each endpoint', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'wrong-json' }, 'all');
  for (const path of ['/sdk/v2/flags', '/sdk/v2/vardata', '/sdk/v1/cohort/c', '/2/httpapi', '/batch']) {
    const { status, body } = await get({}, path);
    t.is(status, 200);
    t.throws(() => JSON.parse(body));
  }
  const { text } = await bytes(emulator.port, 'GET /sdk/stream/v1/flags HTTP/1.1\r\nHost: x\r\n\r\n');
  t.regex(text, /^data: \[\{"key":"a", $/m);
});

test('JSON of the wrong type, on each endpoint', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'wrong-type' }, 'all');
  t.false(Array.isArray(JSON.parse((await get()).body)));
  t.is(typeof JSON.parse((await get({}, '/sdk/v2/vardata')).body), 'string');
  t.is(typeof JSON.parse((await get({}, '/sdk/v1/cohort/c')).body).memberIds, 'string');
  t.is(typeof JSON.parse((await get({}, '/2/httpapi')).body), 'string');
  const { text } = await bytes(emulator.port, 'GET /sdk/stream/v1/flags HTTP/1.1\r\nHost: x\r\n\r\n');
  t.regex(text, /^data: \{"flags":"not an array"\}$/m);
});

test('a gigantic body, which is proper JSON, and a gigantic event', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'gigantic', bytes: 5_000_000 });
  const { raw, body } = await get({ timeoutMillis: 5000 });
  t.is(raw.length, 5_000_002);
  t.deepEqual(JSON.parse(body), []);
  emulator.fail('stream', { kind: 'gigantic', bytes: 300_000 });
  const { text } = await bytes(emulator.port, 'GET /sdk/stream/v1/flags HTTP/1.1\r\nHost: x\r\n\r\n');
  t.regex(text, /text\/event-stream/);
  t.true(/^data: \[/m.test(text));
  t.true(text.replace(/[^ ]/g, '').length > 300_000);
  t.false(text.includes('\n\n'), 'the event does not end');
});

test('a client that leaves in the middle of a gigantic body ends it', async (t) => {
  const { emulator } = await failing(t, { kind: 'gigantic' });
  await bytes(emulator.port, REQUEST, 50);
  await emulator.history.until(() => emulator.requests[0].outcome === 'broken', 'the end', 2000);
  t.pass();
});

test('a compressed bomb', async (t) => {
  const { get } = await failing(t, { kind: 'gzip-bomb', bytes: 20_000_000 });
  const { raw, headers } = await get({ timeoutMillis: 5000 });
  t.is(headers['content-encoding'], 'gzip');
  t.true(raw.length < 200_000);
  t.is(zlib.gunzipSync(raw).length, 20_000_002);
});

test('a redirect to itself, or where it is told to', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'redirect', times: 1 });
  emulator.fail('flags', { kind: 'redirect', status: 307, location: '/elsewhere', times: 1 });
  const loop = await get({}, '/sdk/v2/flags?x=1');
  t.is(loop.status, 302);
  t.is(loop.headers.location, `${emulator.url}/sdk/v2/flags?x=1`);
  const { status, headers } = await get();
  t.is(status, 307);
  t.is(headers.location, '/elsewhere');
});

test('informational answers before the proper one', async (t) => {
  const { get } = await failing(t, { kind: 'informational', count: 3 });
  const { status, body, informational } = await get();
  t.deepEqual(informational, [103, 103, 103]);
  t.is(status, 200);
  t.is(body, WHOLE);
});

test('failures come one after the other, each so many times, and can be cleared', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'status', status: 500, times: 2 });
  emulator.fail('flags', { kind: 'status', status: 429, times: 1 });
  emulator.fail('flags', { kind: 'status', status: 404 });
  const statuses = [];
  for (let i = 0; i < 6; i++) statuses.push((await get()).status);
  t.deepEqual(statuses, [500, 500, 429, 404, 404, 404]);
  emulator.clearFailures('stream');
  t.is((await get()).status, 404);
  emulator.clearFailures('flags');
  t.is((await get()).status, 200);
});

test('a failure concerns its endpoint, and only the addresses that it names', async (t) => {
  const { get } = await failing(t, { kind: 'status', status: 500, urlContains: '/other' }, 'cohort');
  t.is((await get({}, '/sdk/v1/cohort/c')).status, 200);
  t.is((await get({}, '/sdk/v1/cohort/other')).status, 500);
  t.is((await get()).status, 200);
});

test('a function decides request by request', async (t) => {
  const tooMany = ({ events }) =>
    events.length > 2 ? { kind: 'status', status: 413, body: { code: 413 } } : undefined;
  const { emulator, get } = await failing(t, tooMany, 'events');
  const upload = (count) =>
    get(
      { method: 'POST', body: JSON.stringify({ api_key: 'k', events: Array(count).fill({}) }) },
      '/2/httpapi',
    );
  t.deepEqual(
    [(await upload(3)).status, (await upload(2)).status, (await upload(5)).status],
    [413, 200, 413],
  );
  t.is(emulator.events().length, 2);
});

test('a spoiled answer to an upload does not undo that the events were taken', async (t) => {
  const { emulator, get } = await failing(t, { kind: 'cut' }, 'events');
  const { error } = await get(
    { method: 'POST', body: '{"api_key":"k","events":[{"insert_id":"1"}]}' },
    '/2/httpapi',
  );
  t.truthy(error);
  t.deepEqual(emulator.events(), [{ insert_id: '1' }]);
});

test('an unknown failure or endpoint is refused where it is asked for', async (t) => {
  const emulator = await Emulator.start();
  t.teardown(() => emulator.close());
  t.throws(() => emulator.fail('flags', { kind: 'explode' }), { message: /"kind" of delay, status, close/ });
  t.throws(() => emulator.fail('nothing', { kind: 'close' }), { message: /unknown endpoint "nothing"/ });
  t.throws(() => emulator.fail('flags', { kind: 'status' }), { message: '"status" is missing' });
  t.throws(() => emulator.fail('flags', { kind: 'drip', everyMillis: '5' }), {
    message: '"everyMillis" must be a number',
  });
});
