'use strict';

/** Parts that a caller brings and that misbehave: whatever they do, it disturbs nobody else, and what waits for them ends. */

const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const { Duplex, Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const test = require('ava');
const ours = require('..');
const { requestThroughNode } = require('../lib/transport/node-http');
const { silent, flag, members, USER_COHORTS } = require('./support/outcome');
const { FLAGS, bootstrapOf, quiet } = require('./support/tracked');

const PATIENCE_MILLIS = 30_000;

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** What a promise comes to, if it does in good time. */
async function ended(promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ pending: true }), PATIENCE_MILLIS);
  });
  const end = promise.then(
    () => ({ resolved: true }),
    (error) => ({ rejected: error }),
  );
  const outcome = await Promise.race([end, late]);
  clearTimeout(timer);
  return outcome;
}

async function until(check) {
  const end = Date.now() + PATIENCE_MILLIS;
  while (!check() && Date.now() < end) await pause(5);
  return check();
}

function clientOf(t, config, httpClient, factory) {
  const client = new ours.LocalEvaluationClient(
    'key',
    { loggerProvider: silent, ...config },
    undefined,
    httpClient,
    factory,
  );
  t.teardown(() => client.stop());
  return client;
}

const withMessage = (message) => Object.defineProperty(new Error('x'), 'message', { value: message });

/** What nobody expects to be thrown, made anew each time. */
const ODD = {
  'an object without a prototype': () => Object.create(null),
  'an error whose message is an object': () => withMessage({ detail: 'no' }),
  'an error whose message is an object without a prototype': () => withMessage(Object.create(null)),
  'an error whose message is a number': () => withMessage(503),
  'an error whose message is undefined': () => withMessage(undefined),
  'an error whose message is null': () => withMessage(null),
  'an error whose message cannot be read': () =>
    Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('mine');
      },
    }),
  'an error whose code is an object': () =>
    Object.assign(new Error('with a code'), { code: Object.create(null) }),
  'an error whose code is 0': () => Object.assign(new Error('with no code'), { code: 0 }),
  'a text': () => 'text',
  'a symbol': () => Symbol('odd'),
  undefined: () => undefined,
  null: () => null,
};

// Errors are found again by what they say, and these say the same: one after the other.
for (const [what, make] of Object.entries(ODD)) {
  test.serial(`an HTTP client that rejects with ${what}: start rejects with the same`, async (t) => {
    const thrown = make();
    const client = clientOf(t, {}, { request: () => Promise.reject(thrown) });
    const { rejected } = await ended(client.start());
    t.true(Object.is(rejected, thrown));
  });

  test(`an event source factory that throws ${what}: flags are polled`, async (t) => {
    const httpClient = { request: async () => ({ status: 200, body: JSON.stringify([flag('polled')]) }) };
    const factory = () => {
      throw make();
    };
    const config = { streamUpdates: true, streamFlagConnTimeoutMillis: 2 * PATIENCE_MILLIS };
    const client = clientOf(t, config, httpClient, factory);
    t.deepEqual(await ended(client.start()), { resolved: true });
    t.deepEqual(Object.keys(client.evaluateV2({ user_id: 'u' })), ['polled']);
  });

  test(`an event source that fails with ${what} for a message: flags are polled`, async (t) => {
    const httpClient = { request: async () => ({ status: 200, body: JSON.stringify([flag('polled')]) }) };
    const complaints = [];
    const factory = () => {
      const source = { close() {} };
      setImmediate(() => {
        try {
          source.onerror({ message: make() });
        } catch (error) {
          complaints.push(error);
        }
      });
      return source;
    };
    const config = { streamUpdates: true, streamFlagConnTimeoutMillis: 2 * PATIENCE_MILLIS };
    const client = clientOf(t, config, httpClient, factory);
    t.deepEqual(await ended(client.start()), { resolved: true });
    t.deepEqual(complaints, []);
  });

  test(`a transport of events that rejects with ${what}: the events are tried again`, async (t) => {
    let sends = 0;
    const transportProvider = {
      send: async () => {
        if (++sends === 1) throw make();
        return { status: 'success', statusCode: 200, body: {} };
      },
    };
    const client = clientOf(t, {
      bootstrap: bootstrapOf(FLAGS),
      exposureConfig: { apiKey: 'api', transportProvider, flushIntervalMillis: 20, loggerProvider: quiet },
    });
    client.evaluateV2({ user_id: 'u' }, undefined, { tracksExposure: true });
    t.deepEqual(await ended(client.flush()), { resolved: true });
    t.is(sends, 2);
    await client.close({ timeoutMillis: 0 });
  });

  for (const mode of ['poll', 'stream']) {
    test.serial(`${mode}: an agent that throws ${what}: start rejects with the same`, async (t) => {
      const thrown = make();
      const client = through(t, mode, () => {
        throw thrown;
      });
      const { rejected } = await ended(client.start());
      t.true(Object.is(rejected, thrown));
    });
  }
}

/** A client whose agent makes its connections so, in vain or not. */
function through(t, mode, createConnection) {
  const httpAgent = Object.assign(new https.Agent(), { createConnection });
  const url = 'https://127.0.0.1:1';
  return clientOf(t, {
    serverUrl: url,
    streamServerUrl: url,
    streamUpdates: mode === 'stream',
    streamFlagConnTimeoutMillis: 2 * PATIENCE_MILLIS,
    httpAgent,
  });
}

for (const mode of ['poll', 'stream']) {
  for (const [what, thrown] of [
    ['an error whose code is a number', Object.assign(new Error('proxy says 407'), { code: 407 })],
    ['an error whose message is an object', withMessage({ detail: 'no' })],
    ['a text', 'the proxy says no'],
  ]) {
    test.serial(`${mode}: an agent that calls back with ${what}: start rejects with the same`, async (t) => {
      const client = through(t, mode, (_, back) => void setImmediate(back, thrown));
      const { rejected } = await ended(client.start());
      t.is(rejected, thrown);
    });
  }

  test(`${mode}: an agent may give any duplex stream`, async (t) => {
    const body = JSON.stringify([flag(mode)]);
    const answers = {
      poll: `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      stream: `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ${body}\n\n`,
    };
    const client = through(t, mode, () => {
      let hasAnswered = false;
      const connection = new Duplex({
        read() {},
        write(chunk, encoding, done) {
          done();
          if (!hasAnswered) setImmediate(() => connection.push(answers[mode]));
          hasAnswered = true;
        },
      });
      return connection;
    });
    t.deepEqual(await ended(client.start()), { resolved: true });
    t.deepEqual(Object.keys(client.evaluateV2({ user_id: 'u' })), [mode]);
  });
}

for (const [name, listeners] of [
  [
    'fails while its listeners are set',
    {
      set onerror(listener) {
        listener({ status: 503 });
      },
    },
  ],
  [
    'refuses a listener',
    {
      set onmessage(listener) {
        throw new Error('mine');
      },
    },
  ],
]) {
  test(`an event source that ${name} is closed`, async (t) => {
    let closed = 0;
    const httpClient = { request: async () => ({ status: 200, body: JSON.stringify([flag('polled')]) }) };
    const factory = () => Object.assign(Object.create(listeners), { close: () => void closed++ });
    const client = clientOf(t, { streamUpdates: true }, httpClient, factory);
    t.deepEqual(await ended(client.start()), { resolved: true });
    t.is(closed, 1);
  });
}

test('a request through an agent that fails at once leaves nothing behind', async (t) => {
  const order = { id: 0, kind: 'request', method: 'GET', headers: [] };
  const httpAgent = Object.assign(new https.Agent(), {
    createConnection() {
      throw new Error('mine');
    },
  });
  for (const url of ['no URL', 'https://127.0.0.1:1']) {
    const open = new Map();
    requestThroughNode({ ...order, url }, httpAgent, open);
    t.true(await until(() => open.size === 0), url);
  }
});

test('requests through an agent are closed, or have an answer, and leave nothing behind', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/answered') response.end('{}');
  });
  const order = (path) => ({ id: 0, kind: 'request', method: 'GET', headers: [], url: `${url}${path}` });
  const open = new Map();
  requestThroughNode(order('/answered'), new https.Agent(), open);
  t.is(open.size, 1);
  t.true(await until(() => open.size === 0));
  requestThroughNode(order('/silent'), new https.Agent(), open);
  open.get(0).close();
  t.true(await until(() => open.size === 0));
});

const MEBIBYTE = 1024 * 1024;
const SPACES = Buffer.alloc(MEBIBYTE, ' ');

/** A server that answers so until the test is over. */
async function serve(t, answer) {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Writes a body after so many spaces, and says whether it could. */
function write(response, mebibytes, body) {
  const pieces = [...Array(mebibytes).fill(SPACES), body];
  return pipeline(Readable.from(pieces), response).then(
    () => true,
    () => false,
  );
}

test('an answer through an agent has a bound, as one without has', async (t) => {
  for (const httpAgent of [undefined, new https.Agent()]) {
    const written = [];
    const answers = [
      (response) => write(response, 63, Buffer.concat([SPACES.subarray(2), Buffer.from('{}')])),
      (response) => write(response, 64, '{}'),
      (response) => write(response, 1000, '{}'),
    ];
    const serverUrl = await serve(t, async (request, response) => {
      written.push(await answers[written.length](response));
    });
    const client = new ours.RemoteEvaluationClient('key', {
      serverUrl,
      httpAgent,
      fetchTimeoutMillis: 2 * PATIENCE_MILLIS,
      fetchRetries: 0,
      loggerProvider: silent,
    });
    t.deepEqual(await ended(client.fetchV2({ user_id: 'u' })), { resolved: true });
    for (const how of ['a little too large', 'endless']) {
      const { rejected } = await ended(client.fetchV2({ user_id: 'u' }));
      t.is(rejected && rejected.code, 'ERR_BODY_TOO_LARGE', how);
      t.is(rejected.message, 'response is too large');
      t.true(await until(() => written.length === (how === 'endless' ? 3 : 2)));
    }
    t.false(written[2], 'it is not read to its end');
  }
});

test('a cohort through an agent may be larger than other answers', async (t) => {
  const cohort = { cohortId: 'c1', groupType: 'User', lastModified: 1, size: 1, memberIds: ['ada'] };
  const serverUrl = await serve(t, (request, response) => {
    if (request.url.includes('/cohort/')) void write(response, 65, JSON.stringify(cohort));
    else response.end(JSON.stringify([flag('targeted', { segments: [members(USER_COHORTS, ['c1'])] })]));
  });
  const client = clientOf(t, {
    serverUrl,
    httpAgent: new https.Agent(),
    cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: serverUrl },
  });
  t.deepEqual(await ended(client.start()), { resolved: true });
  t.is(client.evaluateV2({ user_id: 'ada' }).targeted.key, 'on');
});

const NEEDY = (...ids) => ({ needy: flag('needy', { segments: [members(USER_COHORTS, ids)] }) });
const PLAIN = { plain: flag('plain') };

/** Something that a test ends when it is time. */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve) => (parts.resolve = resolve));
  return parts;
}

/**
 * A poller whose fetches are answered one after the other, by flags or promises of them, and with the last for good; and whose
 * cohorts are had when these promises resolve, or at once.
 */
function polling(t, { answers, cohorts = {}, interval = 3_600_000, cache, Poller = ours.FlagConfigPoller }) {
  let fetches = 0;
  const fetcher = { fetch: async () => answers[Math.min(fetches++, answers.length - 1)] };
  const cohortFetcher = {
    async fetch(cohortId) {
      await cohorts[cohortId];
      return { cohortId, groupType: 'User', size: 1, lastModified: 1, memberIds: new Set(['ada']) };
    },
  };
  const storage = new ours.LocalEvaluationClient('key', { loggerProvider: silent }).cohortStorage;
  const own = cache || new ours.InMemoryFlagConfigCache();
  const poller = new Poller(fetcher, own, storage, cohortFetcher, interval, 5, silent);
  t.teardown(() => poller.stop());
  const flags = () => Object.keys(own.getAllCached()).join();
  const stored = () => [...storage.getAllCohortIds()].sort().join();
  return { poller, flags, stored, fetches: () => fetches };
}

const NEVER = new Promise(() => {});

test('a poller: a cohort that never comes holds up neither later updates nor the next start', async (t) => {
  const answers = [PLAIN, NEEDY('c1'), { later: flag('later') }];
  const { poller, flags, fetches } = polling(t, { answers, cohorts: { c1: NEVER }, interval: 20 });
  t.deepEqual(await ended(poller.start()), { resolved: true });
  t.true(await until(() => flags() === 'later'));
  t.true(fetches() >= 3);
  poller.stop();
  t.deepEqual(await ended(poller.start()), { resolved: true });
});

test('a poller: a write that never ends does not hold up the next start', async (t) => {
  const cache = new ours.InMemoryFlagConfigCache();
  let clears = 0;
  cache.clear = () => (++clears === 2 ? NEVER : Promise.resolve());
  const { poller } = polling(t, { answers: [PLAIN], cache });
  t.deepEqual(await ended(poller.start()), { resolved: true });
  void poller.update();
  t.true(await until(() => clears === 2));
  poller.stop();
  t.deepEqual(await ended(poller.start()), { resolved: true });
  t.is(clears, 3);
});

test('a poller: flags whose cohorts come late do not replace those that were asked for later', async (t) => {
  const cohort = deferred();
  const { poller, flags, stored } = polling(t, {
    answers: [NEEDY('c1'), PLAIN],
    cohorts: { c1: cohort.promise },
  });
  const told = [];
  const first = poller.update(async () => void told.push('first'));
  const second = poller.update(async () => void told.push('second'));
  t.deepEqual(await ended(second), { resolved: true });
  t.is(flags(), 'plain');
  cohort.resolve();
  t.deepEqual(await ended(first), { resolved: true });
  t.is(flags(), 'plain');
  t.deepEqual(told, ['second', 'first']);
  t.deepEqual(await ended(poller.update()), { resolved: true });
  t.is(stored(), '');
});

test('a poller: flags that come late themselves do not either', async (t) => {
  const late = deferred();
  const { poller, flags } = polling(t, { answers: [late.promise, PLAIN] });
  const first = poller.update();
  t.deepEqual(await ended(poller.update()), { resolved: true });
  late.resolve({ late: flag('late') });
  t.deepEqual(await ended(first), { resolved: true });
  t.is(flags(), 'plain');
});

test('a poller: an update leaves the cohorts that a later one has already', async (t) => {
  const late = deferred();
  const cohort = deferred();
  const { poller, flags, stored } = polling(t, {
    answers: [late.promise, NEEDY('c1', 'c2')],
    cohorts: { c2: cohort.promise },
  });
  const first = poller.update();
  const second = poller.update();
  t.true(await until(() => stored() === 'c1'));
  late.resolve(PLAIN);
  t.deepEqual(await ended(first), { resolved: true });
  t.is(flags(), 'plain');
  t.is(stored(), 'c1');
  cohort.resolve();
  t.deepEqual(await ended(second), { resolved: true });
  t.is(flags(), 'needy');
  t.is(stored(), 'c1,c2');
});

test('a poller: the interval asks whatever update has become', async (t) => {
  let overridden = 0;
  class Poller extends ours.FlagConfigPoller {
    async update(...parameters) {
      overridden++;
      return super.update(...parameters);
    }
  }
  const { poller, fetches } = polling(t, { answers: [PLAIN], interval: 20, Poller });
  const told = async () => {};
  await poller.start(told);
  t.true(await until(() => overridden >= 2 && fetches() >= 3));
  const given = [];
  poller.update = async (...parameters) => void given.push(parameters);
  t.true(await until(() => given.length > 0));
  t.deepEqual(given[0], [told]);
});

test('a poller: an update of the interval that is under way at a stop is not installed; one of a caller is', async (t) => {
  const late = deferred();
  const cache = new ours.InMemoryFlagConfigCache();
  const written = [];
  cache.putAll = async (flags) => void written.push(...Object.keys(flags));
  const { poller, fetches } = polling(t, { answers: [PLAIN, late.promise], interval: 20, cache });
  await poller.start();
  t.true(await until(() => fetches() >= 2));
  const own = poller.update();
  poller.stop();
  late.resolve({ late: flag('late') });
  t.deepEqual(await ended(own), { resolved: true });
  t.deepEqual(written, ['plain', 'late']);
});

test('a poller: a stop in the middle of a write leaves the cache whole', async (t) => {
  const cache = new ours.InMemoryFlagConfigCache();
  const { clear } = cache;
  let clears = 0;
  cache.clear = async () => {
    await clear.call(cache);
    if (++clears === 2) poller.stop();
  };
  const { poller, flags } = polling(t, { answers: [PLAIN], interval: 20, cache });
  await poller.start();
  t.true(await until(() => clears === 2 && flags() === 'plain'));
  t.is(poller.poller, undefined);
});

test('a poller: a write that ends late leaves what has been written since', async (t) => {
  const cache = new ours.InMemoryFlagConfigCache();
  const { clear } = cache;
  const late = deferred();
  let clears = 0;
  cache.clear = async () => {
    await clear.call(cache);
    if (++clears === 1) await late.promise;
  };
  const { poller, flags } = polling(t, { answers: [{ old: flag('old') }, PLAIN], cache });
  const first = poller.update();
  t.true(await until(() => clears === 1));
  t.deepEqual(await ended(poller.start()), { resolved: true });
  late.resolve();
  t.deepEqual(await ended(first), { resolved: true });
  t.is(flags(), 'plain');
});
