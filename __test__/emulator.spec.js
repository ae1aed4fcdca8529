'use strict';

/** The emulator as a healthy server: what it serves, what it checks, what it remembers. */

const zlib = require('zlib');
const test = require('ava');
const { Emulator } = require('../emulator');
const { ask, bytes } = require('./support/wire');

const FLAGS = [
  { key: 'a', variants: { on: { key: 'on', value: 'on' } }, segments: [{ variant: 'on' }] },
  { key: 'b', variants: {}, segments: [] },
];

/** An emulator that goes away with its test. */
async function started(t, options) {
  const emulator = await Emulator.start(options);
  t.teardown(() => emulator.close());
  return emulator;
}

const basic = (text) => ({ Authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const json = ({ body }) => JSON.parse(body);

test('listens on the loopback address alone, on a free port', async (t) => {
  const emulator = await started(t);
  t.regex(emulator.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.is(emulator.server.address().address, '127.0.0.1');
});

test('serves the flags to the deployment key and refuses any other', async (t) => {
  const emulator = await started(t, { deploymentKey: 'server-key', flags: FLAGS });
  const url = `${emulator.url}/sdk/v2/flags`;
  const good = await ask(url, { headers: { Authorization: 'Api-Key server-key' } });
  t.is(good.status, 200);
  t.deepEqual(json(good), FLAGS);
  t.is((await ask(url, { headers: { Authorization: 'Api-Key other' } })).status, 401);
  t.is((await ask(url)).status, 401);
  t.is((await ask(`${emulator.url}/sdk/v2/nothing`)).status, 404);
});

test('serves any key when none is stated, and flags that are no flags as they are', async (t) => {
  const flags = [null, 5, { key: null }, { key: 'x', segments: null }];
  const emulator = await started(t, { flags });
  t.deepEqual(json(await ask(`${emulator.url}/sdk/v2/flags`)), flags);
});

test('cohorts: authorization, size, last modification, encoded ids', async (t) => {
  const cohort = { cohortId: 'x/y ?', groupType: 'org', memberIds: ['m1', 'm2'], lastModified: 7 };
  const emulator = await started(t, { apiKey: 'api', secretKey: 'secret', cohorts: [cohort] });
  const url = `${emulator.url}/sdk/v1/cohort/${encodeURIComponent('x/y ?')}`;
  const headers = basic('api:secret');
  t.is((await ask(`${url}?maxCohortSize=10`)).status, 401);
  t.is((await ask(`${url}?maxCohortSize=10`, { headers: basic('api:wrong') })).status, 401);
  t.is((await ask(`${url}?maxCohortSize=1`, { headers })).status, 413);
  t.is((await ask(`${url}?maxCohortSize=2&lastModified=7`, { headers })).status, 204);
  t.is((await ask(`${emulator.url}/sdk/v1/cohort/none`, { headers })).status, 404);
  t.deepEqual(json(await ask(`${url}?maxCohortSize=2&lastModified=6`, { headers })), {
    cohortId: 'x/y ?',
    groupType: 'org',
    groupTypeId: 0,
    lastComputed: 7,
    lastModified: 7,
    size: 2,
    memberIds: ['m1', 'm2'],
  });
  emulator.setCohort({ ...cohort, lastModified: 8 });
  t.is((await ask(`${url}?maxCohortSize=2&lastModified=7`, { headers })).status, 200);
});

for (const kind of ['digits', 'uuid']) {
  test(`generated cohorts are sent whole, with unique members that can be told beforehand (${kind})`, async (t) => {
    const generate = { count: 30_000, kind, length: 15 };
    const emulator = await started(t, { cohorts: [{ cohortId: 'big', generate }] });
    const { memberIds, size } = json(await ask(`${emulator.url}/sdk/v1/cohort/big?maxCohortSize=30000`));
    t.is(size, 30_000);
    t.is(memberIds.length, 30_000);
    t.is(new Set(memberIds).size, 30_000);
    t.true(
      memberIds.every((id) =>
        (kind === 'uuid' ? /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/ : /^\d{15}$/).test(id),
      ),
    );
    t.is(memberIds[12_345], Emulator.generatedMember(generate, 12_345));
    t.notDeepEqual([...memberIds].sort(), memberIds);
  });
}

test('compresses for those who accept it, and not otherwise', async (t) => {
  const flags = Array.from({ length: 100 }, (_, i) => ({ key: `flag-${i}` }));
  const emulator = await started(t, { flags, cohorts: [{ cohortId: 'c', generate: { count: 1000 } }] });
  for (const path of ['/sdk/v2/flags', '/sdk/v1/cohort/c?maxCohortSize=1000']) {
    const plain = await ask(emulator.url + path);
    t.is(plain.headers['content-encoding'], undefined);
    const compressed = await ask(emulator.url + path, { headers: { 'Accept-Encoding': 'gzip' } });
    t.is(compressed.headers['content-encoding'], 'gzip');
    t.true(compressed.raw.length < plain.raw.length / 2);
    t.is(zlib.gunzipSync(compressed.raw).toString(), plain.body);
  }
});

test('a stream begins with the flags, is kept alive, follows changes and ends when dropped', async (t) => {
  const emulator = await started(t, { flags: FLAGS, keepAliveMillis: 60 });
  const request = 'GET /sdk/stream/v1/flags HTTP/1.1\r\nHost: x\r\n\r\n';
  const reading = bytes(emulator.port, request, 30_000);
  await emulator.waitForStreams(1);
  emulator.setFlags([{ key: 'c' }]);
  emulator.setFlag({ key: 'd' });
  t.true(emulator.removeFlag('c'));
  t.false(emulator.removeFlag('c'));
  emulator.sendToStreams(': a comment\n\n');
  await new Promise((resolve) => setTimeout(resolve, 100));
  emulator.dropStreams();
  await emulator.waitForStreams(0);
  const { text } = await reading;
  const events = text.match(/^(data|:).*$/gm);
  t.regex(text, /content-type: text\/event-stream/);
  t.deepEqual(
    events.filter((line) => line !== 'data:  '),
    [
      `data: ${JSON.stringify(FLAGS)}`,
      'data: [{"key":"c"}]',
      'data: [{"key":"c"},{"key":"d"}]',
      'data: [{"key":"d"}]',
      ': a comment',
    ],
  );
  t.true(events.includes('data:  '), 'two spaces keep a stream alive');
  t.true(text.endsWith('0\r\n\r\n'), 'dropped properly');
});

test('a silent stream stays open and says nothing', async (t) => {
  const emulator = await started(t, { flags: [], keepAliveMillis: 10 });
  emulator.silenceStreams();
  const reading = bytes(emulator.port, 'GET /sdk/stream/v1/flags HTTP/1.1\r\nHost: x\r\n\r\n', 3_000);
  await emulator.waitForStreams(1);
  emulator.setFlags(FLAGS);
  const { text, end } = await reading;
  t.deepEqual(text.match(/^data:.*$/gm), ['data: []']);
  t.is(end, 'open');
});

test('events are taken with the right key, by endpoint', async (t) => {
  const emulator = await started(t, { apiKey: 'api' });
  const upload = (path, body) => ask(emulator.url + path, { method: 'POST', body: JSON.stringify(body) });
  const one = { event_type: '[Experiment] Exposure', user_id: 'u', insert_id: '1' };
  const two = { ...one, insert_id: '2' };
  const taken = await upload('/2/httpapi', { api_key: 'api', events: [one] });
  t.is(taken.status, 200);
  t.like(json(taken), { code: 200, events_ingested: 1 });
  t.is((await upload('/batch', { api_key: 'api', events: [two] })).status, 200);
  const refused = await upload('/2/httpapi', { api_key: 'wrong', events: [{ ...one, insert_id: '3' }] });
  t.is(refused.status, 400);
  t.regex(json(refused).error, /^Invalid API key/);
  t.is(json(await upload('/2/httpapi', { events: [] })).missing_field, 'api_key');
  t.is(json(await upload('/2/httpapi', { api_key: 'api' })).missing_field, 'events');
  t.is((await ask(`${emulator.url}/2/httpapi`, { method: 'POST', body: 'no json' })).status, 400);

  t.deepEqual(await emulator.waitForEvents(2), [one, two]);
  t.deepEqual(emulator.events('batch'), [two]);
  t.deepEqual(
    emulator.requestsTo('events').map(({ taken = false, events = [] }) => [taken, events.length]),
    [
      [true, 1],
      [false, 1],
      [false, 0],
      [false, 0],
      [false, 0],
    ],
  );
});

test('remembers requests as they came: raw headers in order, users decoded, connections told apart', async (t) => {
  const emulator = await started(t, { flags: FLAGS });
  const user = Buffer.from(JSON.stringify({ library: 'l', user_id: 'jürgen😀' }))
    .toString('base64')
    .replace(/\+/g, '-')
    .replace(/\//g, '_');
  const before = Date.now();
  const text = `GET /sdk/v2/vardata?v=0 HTTP/1.1\r\nX-Amp-Exp-Flag-Keys: WyJhIl0\r\nAUTHORIZATION: Api-Key k\r\nX-Amp-Exp-User: ${user}\r\nHost: h\r\n\r\n`;
  emulator.fail('variants', { kind: 'status', status: 503 });
  await bytes(emulator.port, text + text, 100);
  await bytes(emulator.port, text, 100);
  const [first, second, third] = await emulator.waitForRequests('variants', 3);
  t.deepEqual(
    first.rawHeaders.map(([name]) => name),
    ['X-Amp-Exp-Flag-Keys', 'AUTHORIZATION', 'X-Amp-Exp-User', 'Host'],
  );
  t.deepEqual(first.user, { library: 'l', user_id: 'jürgen😀' });
  t.deepEqual(first.flagKeys, ['a']);
  t.like(first, {
    method: 'GET',
    path: '/sdk/v2/vardata',
    query: { v: '0' },
    status: 503,
    outcome: 'answered',
    failure: 'status',
  });
  t.true(
    first.receivedAt >= before - 5 &&
      first.endedAt >= first.receivedAt &&
      second.receivedAt >= first.receivedAt,
  );
  t.is(first.connection, second.connection);
  t.not(first.connection, third.connection);
});

test('the memory is bounded and can be cleared', async (t) => {
  const emulator = await started(t, { historyLimit: 10 });
  for (let i = 0; i < 30; i++) await ask(`${emulator.url}/sdk/v2/flags?n=${i}`);
  t.true(emulator.requests.length >= 10 && emulator.requests.length <= 11);
  t.is(emulator.requests[emulator.requests.length - 1].query.n, '29');
  emulator.clearHistory();
  t.is(emulator.requests.length, 0);
});

test('waiting for what does not come ends in an error', async (t) => {
  const emulator = await started(t);
  await t.throwsAsync(emulator.waitForRequests('flags', 1, 20), {
    message: 'waited 20 ms for 1 requests to flags',
  });
});

test('suspended, it refuses connections; resumed, it is where it was', async (t) => {
  const emulator = await started(t, { flags: FLAGS });
  const { url } = emulator;
  await emulator.suspend();
  t.is((await ask(`${url}/sdk/v2/flags`)).error.code, 'ECONNREFUSED');
  await emulator.resume();
  t.is(emulator.url, url);
  t.is((await ask(`${url}/sdk/v2/flags`)).status, 200);
});

test('closing ends open streams and pending answers', async (t) => {
  const emulator = await Emulator.start({ flags: FLAGS });
  emulator.fail('flags', { kind: 'silence' });
  const pending = [ask(`${emulator.url}/sdk/v2/flags`), ask(`${emulator.url}/sdk/stream/v1/flags`)];
  await Promise.all([emulator.waitForRequests('flags'), emulator.waitForStreams(1)]);
  await emulator.close();
  for (const { error } of await Promise.all(pending)) t.truthy(error);
});

test('what is not a world is refused', async (t) => {
  await t.throwsAsync(Emulator.start({ flags: {} }), { message: '"flags" must be an array' });
  await t.throwsAsync(Emulator.start({ cohorts: [{ cohortId: 'c' }] }), {
    message: /either "memberIds" or "generate"/,
  });
  await t.throwsAsync(Emulator.start({ apiKey: 5 }), { message: '"apiKey" must be a string' });
});
