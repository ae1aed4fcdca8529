'use strict';

/** A caller's own transport, store and logger of events: as upstream calls them, and tolerant of what upstream is not. */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const {
  analyticsLog,
  emulated,
  essence,
  expose,
  exposeMany,
  pipeline,
  tracking,
} = require('./support/tracked');

const SOON = { apiKey: 'api', flushIntervalMillis: 20 };
const TAKEN = { status: 'success', statusCode: 200, body: { eventsIngested: 1 } };

/** A transport that remembers what it is given and answers by a script, always with its last answer in the end. */
function transport(...answers) {
  const sent = [];
  let at = 0;
  const waiting = [];
  return {
    sent,
    users: () => sent.map(({ payload }) => payload.events.map((event) => event.user_id)),
    async untilSent(count) {
      while (sent.length < count) await new Promise((resolve) => waiting.push(resolve));
    },
    async send(url, payload, compress) {
      sent.push({ url, payload, compress });
      waiting.splice(0).forEach((wake) => wake());
      const answer = answers[Math.min(at++, answers.length - 1)];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

/** A store that remembers what it is told. */
function store(held = {}) {
  const calls = [];
  return {
    held,
    calls,
    async get(key) {
      calls.push(['get', key]);
      return held[key];
    },
    async set(key, value) {
      calls.push(['set', key, value.length]);
      held[key] = value;
    },
  };
}

test('a transport gets what the server would have got, as upstream gives it', async (t) => {
  const given = {};
  for (const [name, library] of Object.entries({ upstream, ours })) {
    const transportProvider = transport(TAKEN);
    const config = { ...SOON, minIdLength: 2, transportProvider, loggerProvider: analyticsLog().provider };
    const client = tracking(t, library, config, { serverZone: 'us' });
    expose(client, { user_id: 'uu', device_id: 'd😀', groups: { org: ['a'] } });
    await transportProvider.untilSent(1);
    const [{ url, payload, compress }] = transportProvider.sent;
    const { client_upload_time: time, events, ...rest } = payload;
    t.regex(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    given[name] = { url, compress, rest: JSON.parse(JSON.stringify(rest)), events: events.map(essence) };
  }
  t.deepEqual(given.ours, given.upstream);
  t.is(given.ours.url, 'https://api2.amplitude.com/2/httpapi');
  t.true(given.ours.compress);
});

test('events go to the zone of the client, unless their own configuration says where', async (t) => {
  const urlOf = async (more, config) => {
    const transportProvider = transport(TAKEN);
    const client = tracking(t, ours, { ...SOON, transportProvider, ...more }, config);
    expose(client, { user_id: 'u' });
    await client.flush();
    return [transportProvider.sent[0].url, transportProvider.sent[0].compress];
  };
  const eu = { serverZone: 'eu' };
  t.deepEqual(await urlOf({}, eu), ['https://api.eu.amplitude.com/2/httpapi', true]);
  t.deepEqual(await urlOf({ useBatch: true }, eu), ['https://api.eu.amplitude.com/batch', true]);
  t.deepEqual(await urlOf({ serverZone: 'US' }, eu), ['https://api2.amplitude.com/2/httpapi', true]);
  t.deepEqual(await urlOf({ serverUrl: 'http://localhost:1/x' }, eu), ['http://localhost:1/x', false]);
  t.deepEqual(await urlOf({}, {}), ['https://api2.amplitude.com/2/httpapi', true]);
});

const SENT_AGAIN = [
  ['u0', 'u1', 'u2'],
  ['u0', 'u1', 'u2'],
];

for (const [what, answer, sent] of [
  ['success', TAKEN, [['u0', 'u1', 'u2']]],
  ['a success with a body that speaks of failure', { ...TAKEN, body: { code: 500 } }, [['u0', 'u1', 'u2']]],
  ['a status code alone', { statusCode: 200 }, [['u0', 'u1', 'u2']]],
  ['null', null, SENT_AGAIN],
  ['undefined', undefined, SENT_AGAIN],
  ['a rejection', new Error('no network'), SENT_AGAIN],
  ['a failure', { status: 'failed', statusCode: 503 }, SENT_AGAIN],
  ['a timeout', { status: 'Timeout', statusCode: 408 }, SENT_AGAIN],
  ['an unknown status', { status: 'unknown', statusCode: 0 }, SENT_AGAIN],
  ['a word that is no status', { status: 'SystemError', statusCode: 200 }, SENT_AGAIN],
  ['a number for an answer', 7, SENT_AGAIN],
  [
    'an invalid event',
    { status: 'invalid', statusCode: 400, body: { error: 'bad', eventsWithInvalidFields: { time: [1] } } },
    [
      ['u0', 'u1', 'u2'],
      ['u0', 'u2'],
    ],
  ],
  [
    'a bad key',
    { status: 'invalid', statusCode: 400, body: { error: 'Invalid API key: api', missingField: '' } },
    [['u0', 'u1', 'u2']],
  ],
  [
    'a payload too large',
    { status: 'payload_too_large', statusCode: 413, body: { error: 'large' } },
    [['u0', 'u1', 'u2'], ['u0'], ['u1', 'u2']],
  ],
  [
    'a quota',
    { status: 'rate_limit', statusCode: 429, body: { error: 'slow', exceededDailyQuotaUsers: { u2: 9 } } },
    [
      ['u0', 'u1', 'u2'],
      ['u0', 'u1'],
    ],
  ],
]) {
  test(`a transport that answers with ${what} is understood`, async (t) => {
    const transportProvider = transport(answer, TAKEN);
    const client = tracking(t, ours, { ...SOON, transportProvider, loggerProvider: analyticsLog().provider });
    exposeMany(client, 3);
    await client.flush();
    t.deepEqual(transportProvider.users(), sent);
  });
}

test('a transport that never answers is given up at the deadline', async (t) => {
  const provider = transport(TAKEN);
  let isFirst = true;
  const transportProvider = {
    send(...request) {
      if (!isFirst) return provider.send(...request);
      isFirst = false;
      return new Promise(() => {});
    },
  };
  const log = analyticsLog();
  const config = { ...SOON, transportProvider, requestTimeoutMillis: 50, loggerProvider: log.provider };
  const client = tracking(t, ours, config);
  expose(client, { user_id: 'u' });
  await client.flush();
  t.deepEqual(provider.users(), [['u']]);
  t.regex(log.of('warn')[0], /Status 'Timeout' provided for 1 events/);
});

test('a transport without a send, or one that throws at once, is tried, logged and given up', async (t) => {
  for (const [transportProvider, reason] of [
    [{}, /send is not a function/],
    [
      {
        send() {
          throw new TypeError('not today');
        },
      },
      /not today/,
    ],
  ]) {
    const log = analyticsLog();
    const config = { ...SOON, transportProvider, flushMaxRetries: 2, loggerProvider: log.provider };
    const client = tracking(t, ours, config);
    exposeMany(client, 3);
    await client.flush();
    t.is(log.of('warn').length, 2);
    t.regex(log.of('warn')[0], reason);
    await client.close();
    t.deepEqual(log.of('error'), [
      '3 events dropped: 3 × Event rejected due to exceeded retry count (code 500)',
    ]);
  }
});

test('exposures and assignments are given to their own providers', async (t) => {
  const [exposures, assignments] = [transport(TAKEN), transport(TAKEN)];
  const client = tracking(
    t,
    ours,
    { ...SOON, transportProvider: exposures },
    { assignmentConfig: { ...SOON, transportProvider: assignments } },
  );
  expose(client, { user_id: 'u' });
  await client.flush();
  const types = ({ sent }) => sent.flatMap(({ payload }) => payload.events.map((event) => event.event_type));
  t.deepEqual(types(exposures), ['[Experiment] Exposure']);
  t.deepEqual(types(assignments), ['[Experiment] Assignment']);
});

test('undelivered events are put into the store, taken out, and sent unchanged by the next client', async (t) => {
  const storageProvider = store();
  const down = transport({ status: 'failed', statusCode: 500 });
  const first = tracking(t, ours, { ...SOON, transportProvider: down, storageProvider });
  exposeMany(first, 3);
  await first.close({ timeoutMillis: 100 });
  const [key] = Object.keys(storageProvider.held);
  t.is(key, 'AMP_unsent_api');
  t.deepEqual(
    storageProvider.held[key].map((event) => event.user_id),
    ['u0', 'u1', 'u2'],
  );
  const stored = structuredClone(storageProvider.held[key]);

  const up = transport(TAKEN);
  const next = tracking(t, ours, { ...SOON, transportProvider: up, storageProvider });
  await up.untilSent(1);
  t.deepEqual(up.sent[0].payload.events, stored);
  await next.close();
  t.deepEqual(storageProvider.held[key], []);
});

test('what upstream has left in a store is sent', async (t) => {
  const emulator = await emulated(t);
  const storageProvider = store();
  // Long enough for the events to be stored; then upstream finds nobody there and drops them.
  const theirs = tracking(t, upstream, {
    ...pipeline({ url: 'http://127.0.0.1:9' }, { flushIntervalMillis: 5000 }),
    storageProvider,
  });
  expose(theirs, { user_id: 'ignored while the store is read' });
  const deadline = Date.now() + 20_000;
  while (!(storageProvider.held.AMP_unsent_api || []).some((event) => event.user_id === 'late')) {
    t.true(Date.now() < deadline);
    expose(theirs, { user_id: 'late', device_id: `${Date.now()}` });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // As JSON, which knows nothing of members that are undefined.
  const stored = JSON.parse(JSON.stringify(storageProvider.held.AMP_unsent_api));
  const client = tracking(
    t,
    ours,
    pipeline(emulator, { storageProvider: store({ AMP_unsent_api: stored }) }),
  );
  await emulator.waitForEvents(stored.length, 20_000);
  t.deepEqual(emulator.events(), stored);
  await client.close();
});

test('a store is written to now and then, not for every event', async (t) => {
  const storageProvider = store();
  const config = { ...SOON, flushIntervalMillis: 3_600_000, flushQueueSize: 1e6, storageProvider };
  const client = tracking(t, ours, { ...config, transportProvider: transport(TAKEN) });
  exposeMany(client, 1000);
  await client.close();
  const sets = storageProvider.calls.filter(([name]) => name === 'set');
  t.true(sets.length < 10, `${sets.length} calls`);
  t.deepEqual(storageProvider.held.AMP_unsent_api, []);
});

test('a store that lacks methods, rejects or throws is logged once, and events are delivered', async (t) => {
  const broken = () => {
    throw new Error('the disk is gone');
  };
  for (const [storageProvider, reason] of [
    [{}, /provider\.get is not a function/],
    [{ get: async () => undefined }, /provider\.set is not a function/],
    [{ get: broken, set: broken }, /the disk is gone/],
    [{ get: async () => ({ not: 'a list' }), set: async () => {} }, /not a list of events/],
  ]) {
    const log = analyticsLog();
    const transportProvider = transport(TAKEN);
    const config = { ...SOON, transportProvider, storageProvider, loggerProvider: log.provider };
    const client = tracking(t, ours, config);
    expose(client, { user_id: 'u' });
    await client.flush();
    await client.close();
    t.deepEqual(transportProvider.users(), [['u']]);
    t.is(log.of('error').length, 1);
    t.regex(log.of('error')[0], reason);
  }
});

test('a logger is told its level and gets the lines of its pipeline', async (t) => {
  const log = analyticsLog();
  const failing = transport({ status: 'failed', statusCode: 500 }, TAKEN);
  const config = { ...SOON, transportProvider: failing, loggerProvider: log.provider, logLevel: 3 };
  const client = tracking(t, ours, config);
  expose(client, { user_id: 'u' });
  await client.close();
  t.deepEqual(log.lines[0], ['enable', 3]);
  t.regex(log.of('warn')[0], /Status 'failed' provided for 1 events/);
  t.deepEqual(log.of('log'), ['Event tracked successfully: 1 events']);
});

test('without a level a logger is told that of warnings, as by upstream', (t) => {
  const levels = [];
  const loggerProvider = { ...analyticsLog().provider, enable: (level) => levels.push(level) };
  tracking(t, upstream, { apiKey: 'api', loggerProvider });
  tracking(t, ours, { apiKey: 'api', loggerProvider });
  t.deepEqual(levels, [2, 2]);
});

/** What is printed on the console while something runs. */
async function printed(run) {
  const lines = [];
  const before = {};
  for (const name of ['error', 'warn', 'log']) {
    before[name] = console[name];
    console[name] = (line) => void lines.push(line);
  }
  try {
    await run();
  } finally {
    Object.assign(console, before);
  }
  return lines.filter((line) => String(line).startsWith('Amplitude Logger'));
}

test.serial('a logger that lacks methods is told so, and its lines go to the console', async (t) => {
  const warnings = [];
  const loggerProvider = { warn: (line) => warnings.push(line) };
  const lines = await printed(async () => {
    const client = tracking(t, ours, { apiKey: '', loggerProvider });
    exposeMany(client, 3);
    await client.close();
  });
  t.deepEqual(warnings, [
    'loggerProvider has no enable, no error, no log, no debug',
    'apiKey is missing: events are dropped',
  ]);
  t.deepEqual(lines, [
    'Amplitude Logger [Error]: 3 events dropped: 3 × Event rejected due to missing API key (code 400)',
  ]);
});

test.serial('a logger that throws costs its lines, and no event', async (t) => {
  const loggerProvider = new Proxy(
    {},
    {
      get: () => () => {
        throw new Error('no log today');
      },
    },
  );
  const transportProvider = transport({ status: 'failed', statusCode: 500 }, TAKEN);
  const lines = await printed(async () => {
    const client = tracking(t, ours, { ...SOON, transportProvider, loggerProvider });
    expose(client, { user_id: 'u' });
    await client.close();
  });
  t.deepEqual(transportProvider.users(), [['u'], ['u']]);
  t.deepEqual(lines, ['Amplitude Logger [Error]: the loggerProvider threw: no log today']);
});
