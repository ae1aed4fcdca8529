'use strict';

/** Remote evaluation over real HTTP, and side by side with the package that this one replaces. */

const http = require('node:http');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { Emulator } = require('../emulator');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };
const quick = { fetchRetryBackoffMinMillis: 1, fetchRetryBackoffMaxMillis: 2, loggerProvider: silent };

const FLAG = {
  key: 'sdk-ci-test',
  variants: {
    on: { key: 'on', value: 'on', payload: 'payload' },
    off: { key: 'off', metadata: { default: true } },
    number: { key: 'number', value: 1.5 },
  },
  segments: [
    {
      conditions: [[{ selector: ['context', 'user', 'user_id'], op: 'is', values: ['test_user'] }]],
      variant: 'on',
    },
    { variant: 'off' },
  ],
};

async function emulated(t) {
  const emulator = await Emulator.start({ deploymentKey: 'server-key', flags: [FLAG] });
  t.teardown(() => emulator.close());
  return emulator;
}

/** A server that answers every request as told; its url and the requests it got. */
async function answering(t, answer) {
  const requests = [];
  const server = http.createServer((request, response) => {
    requests.push(request);
    answer(response, requests.length);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

test('fetchV2 gives all variants; fetch leaves defaults out', async (t) => {
  const emulator = await emulated(t);
  const client = new ours.RemoteEvaluationClient('server-key', { serverUrl: emulator.url });
  const variants = await client.fetchV2({ user_id: 'test_user' });
  t.is(variants['sdk-ci-test'].key, 'on');
  t.is(variants['sdk-ci-test'].payload, 'payload');
  const off = await client.fetchV2({});
  t.is(off['sdk-ci-test'].key, 'off');
  t.true('value' in off['sdk-ci-test']);
  t.is(off['sdk-ci-test'].value, undefined);
  t.deepEqual(await client.fetch({}), {});
});

test('both packages send the same request', async (t) => {
  const { url, requests } = await answering(t, (response) => response.end('{}'));
  const users = [
    { user_id: 'ü😀', library: 'own', user_properties: { a: [1, 'x'] } },
    undefined,
    { user_id: '\ud83d' },
  ];
  const options = [
    undefined,
    { flagKeys: [] },
    { flagKeys: ['a', 'ü'], tracksAssignment: true, tracksExposure: false },
    { tracksAssignment: null, tracksExposure: 1 },
  ];
  for (const user of users) {
    for (const option of options) {
      const [theirs, our] = [upstream, ours].map(
        (module) => new module.RemoteEvaluationClient('server-key', { serverUrl: `${url}/base` }),
      );
      const from = requests.length;
      await theirs.fetchV2(user, option);
      await our.fetchV2(user, option);
      const [a, b] = requests.slice(from).map(({ method, url, headers }) => ({ method, url, headers }));
      // What our HTTP client says of itself: any type is accepted, and so are compressed answers.
      t.is(b.headers.accept, '*/*');
      delete b.headers.accept;
      delete b.headers['accept-encoding'];
      t.deepEqual({ ...b.headers, connection: undefined }, { ...a.headers, connection: undefined });
      t.is(b.method, a.method);
      t.is(b.url, a.url);
    }
  }
});

test('values are text as upstream makes it text', async (t) => {
  const raw = {
    a: { key: 'a', value: 1.5 },
    b: { value: { x: [1, null] } },
    c: { key: 'c' },
    d: { value: null, z: 1 },
  };
  const { url } = await answering(t, (response) => response.end(JSON.stringify(raw)));
  const [theirs, our] = await Promise.all(
    [upstream, ours].map((module) => new module.RemoteEvaluationClient('k', { serverUrl: url }).fetchV2({})),
  );
  t.deepEqual(Object.entries(our), Object.entries(theirs));
});

for (const [status, requests] of [
  [300, 3],
  [429, 3],
  [500, 3],
  [400, 1],
  [404, 1],
]) {
  test(`status ${status} takes ${requests} requests with two retries and rejects with a FetchError`, async (t) => {
    const server = await answering(t, (response) => response.writeHead(status).end('no'));
    const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, fetchRetries: 2, ...quick });
    const error = await t.throwsAsync(client.fetchV2({}), {
      message: `Fetch error response: status=${status}`,
    });
    t.is(error.statusCode, status);
    t.is(error.code, 'ERR_EXPERIMENT_FETCH_STATUS');
    t.is(server.requests.length, requests);
    t.deepEqual(await client.fetch({}), {});
  });
}

test('a retry that succeeds is the answer', async (t) => {
  const server = await answering(t, (response, count) =>
    count === 1 ? response.writeHead(500).end() : response.end('{"a":{"key":"on"}}'),
  );
  const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, ...quick });
  t.is((await client.fetchV2({})).a.key, 'on');
  t.is(server.requests.length, 2);
});

test('retries stop at a client error', async (t) => {
  const server = await answering(t, (response, count) => response.writeHead(count === 1 ? 500 : 400).end());
  const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, ...quick });
  await t.throwsAsync(client.fetchV2({}), { message: 'Fetch error response: status=500' });
  t.is(server.requests.length, 2);
});

test('a body cut midway is a failure that settles', async (t) => {
  const server = await answering(t, (response) => {
    response.writeHead(200, { 'Content-Length': '100' });
    response.write('{"a"');
    setTimeout(() => response.destroy(), 20);
  });
  const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, fetchRetries: 1, ...quick });
  await t.throwsAsync(client.fetchV2({}), { instanceOf: Error, code: 'ECONNRESET' });
  t.is(server.requests.length, 2);
});

test('the timeout is a deadline: a dripping server does not put it off', async (t) => {
  const server = await answering(t, (response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(drip));
  });
  const client = new ours.RemoteEvaluationClient('k', {
    serverUrl: server.url,
    fetchTimeoutMillis: 150,
    fetchRetries: 0,
    loggerProvider: silent,
  });
  await t.throwsAsync(client.fetchV2({}), { message: 'Socket connection timed out', code: 'ETIMEDOUT' });
});

test('answers that are not variants reject with what JSON.parse says, or a TypeError', async (t) => {
  const cases = [
    ['{"a":', SyntaxError],
    ['', SyntaxError],
    ['null', TypeError],
  ];
  for (const [body, type] of cases) {
    const server = await answering(t, (response) => response.end(body));
    const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, fetchRetries: 0, ...quick });
    await t.throwsAsync(client.fetchV2({}), { instanceOf: type });
  }
});

test('an unreachable server, an impossible url and an empty key reject with a code or a message', async (t) => {
  const gone = await answering(t, (response) => response.end());
  const closed = await new Promise((resolve) => {
    const server = http.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(`http://127.0.0.1:${port}`));
    });
  });
  t.is(gone.requests.length, 0);
  const fetching = (serverUrl, key = 'k') =>
    new ours.RemoteEvaluationClient(key, { serverUrl, fetchRetries: 0, ...quick }).fetchV2({});
  await t.throwsAsync(fetching(closed), { code: 'ECONNREFUSED' });
  await t.throwsAsync(fetching('not a url'), { instanceOf: TypeError, message: 'Invalid URL' });
  await t.throwsAsync(fetching(closed, ''), { message: 'Experiment API key is empty' });
  await t.throwsAsync(fetching(closed, 'bad\nkey'), { code: 'ERR_INVALID_CHAR' });
});

test('log lines come in order, each with a message and one array', async (t) => {
  const server = await answering(t, (response) => response.writeHead(500).end());
  const lines = [];
  const record =
    (level) =>
    (...args) =>
      lines.push([level, ...args]);
  const loggerProvider = Object.fromEntries(Object.keys(silent).map((level) => [level, record(level)]));
  const user = { user_id: 'u' };
  const config = {
    serverUrl: server.url,
    fetchRetries: 1,
    ...quick,
    loggerProvider,
    logLevel: ours.LogLevel.Verbose,
  };
  await new ours.RemoteEvaluationClient('secret-key', config).fetch(user);
  t.deepEqual(
    lines.map(([level, message]) => [level, String(message)]),
    [
      ['debug', '[Experiment] Fetching variants for user: '],
      ['error', '[Experiment] Fetch failed: '],
      ['debug', '[Experiment] Retrying fetch'],
      ['error', '[Experiment] Retry falied: '],
      ['error', 'Error: Fetch error response: status=500'],
      ['error', '[Experiment] Failed to fetch variants: '],
    ],
  );
  t.true(lines.every((line) => line.length === 3 && Array.isArray(line[2])));
  t.is(lines[0][2][0], user);
  t.false(JSON.stringify(lines.map(String)).includes('secret-key'));
});

test('requests through an https agent go through that agent', async (t) => {
  const https = require('node:https');
  const fs = require('node:fs');
  const path = require('node:path');
  const tls = path.join(__dirname, 'support', 'tls');
  const cert = fs.readFileSync(path.join(tls, 'cert.pem'));
  const key = fs.readFileSync(path.join(tls, 'key.pem'));
  const server = https.createServer({ cert, key }, (_, response) => response.end('{"a":{"key":"on"}}'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => (server.closeAllConnections(), server.close()));
  const serverUrl = `https://localhost:${server.address().port}`;
  const agent = new https.Agent({ ca: cert });
  t.teardown(() => agent.destroy());
  const trusted = new ours.RemoteEvaluationClient('k', {
    serverUrl,
    httpAgent: agent,
    fetchRetries: 0,
    ...quick,
  });
  t.is((await trusted.fetchV2({})).a.key, 'on');
  const untrusted = new ours.RemoteEvaluationClient('k', { serverUrl, fetchRetries: 0, ...quick });
  await t.throwsAsync(untrusted.fetchV2({}), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

test('a timeout of nought sends nothing: fetch gives {}, fetchV2 rejects; a retry has its own', async (t) => {
  const server = await answering(t, (response) => response.end('{"sdk-ci-test":{"key":"on","value":"on"}}'));
  const client = (config) =>
    new ours.RemoteEvaluationClient('k', {
      serverUrl: server.url,
      fetchTimeoutMillis: 0,
      ...quick,
      ...config,
    });
  t.deepEqual(await client({ fetchRetries: 0 }).fetch({}), {});
  await t.throwsAsync(client({ fetchRetries: 0 }).fetchV2({}), { message: 'Response timed out' });
  t.is(server.requests.length, 0);
  for (const backoff of [{}, { fetchRetryBackoffMinMillis: 0, fetchRetryBackoffMaxMillis: 0 }]) {
    const variants = await client({ fetchRetries: 1, fetchRetryTimeoutMillis: 5000, ...backoff }).fetch({});
    t.like(variants['sdk-ci-test'], { key: 'on', value: 'on' });
  }
  t.is(server.requests.length, 2);
});

test('tracking goes into headers where it is asked for, and the user into one of its own', async (t) => {
  const server = await answering(t, (response) => response.end('{}'));
  const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url });
  for (const [options, assignment, exposure] of [
    [undefined, undefined, undefined],
    [{ tracksAssignment: true, tracksExposure: true }, 'track', 'track'],
    [{ tracksAssignment: false, tracksExposure: false }, 'no-track', 'no-track'],
  ]) {
    await client.fetchV2({ user_id: 'test_user' }, options);
    const { headers } = server.requests.at(-1);
    t.is(headers['x-amp-exp-track'], assignment);
    t.is(headers['x-amp-exp-exposure-track'], exposure);
    const user = JSON.parse(Buffer.from(headers['x-amp-exp-user'], 'base64url'));
    t.deepEqual(user, { library: 'experiment-node-server/1.13.6', user_id: 'test_user' });
  }
});

test('a user that cannot be written as JSON rejects at once, and is never sent', async (t) => {
  const server = await answering(t, (response) => response.end('{}'));
  const client = new ours.RemoteEvaluationClient('k', { serverUrl: server.url, ...quick });
  const cycle = {};
  cycle.self = cycle;
  for (const user of [{ user_id: 5n }, cycle]) {
    await t.throwsAsync(client.fetchV2(user), { instanceOf: TypeError });
    t.deepEqual(await client.fetch(user), {});
  }
  t.is(server.requests.length, 0);
});
