'use strict';

/** Differences from upstream that no other spec holds, each beside what upstream does. */

const { AsyncLocalStorage } = require('node:async_hooks');
const http = require('node:http');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { outcome, silent, recording, flag, members, USER_COHORTS } = require('./support/outcome');

/** A flag for users of whom an operator holds on what a selector reads. */
const conditional = (key, selector, op, ...values) =>
  flag(key, { segments: [{ conditions: [[{ selector, op, values }]], variant: 'on' }] });
const when = (...condition) => ({ a: conditional('a', ...condition) });

const evaluated = (module, bootstrap, user, loggerProvider = silent) =>
  outcome(() => {
    const client = new module.LocalEvaluationClient('k', { bootstrap, loggerProvider });
    return Object.keys(client.evaluateV2(user));
  });

const COUNTRY = ['context', 'user', 'country'];
const PLAN = ['context', 'user', 'user_properties', 'plan'];

test('a pattern that takes too long, nests too deep or has too much to read matches nothing, logged once per update', async (t) => {
  for (const [pattern, value] of [
    ['^(a*)*\\1(a*)*\\2(a*)*$', `${'a'.repeat(5000)}!`],
    [`${'('.repeat(250)}x${')'.repeat(250)}`, 'x'],
    ['x$', `${'y'.repeat(17 << 20)}x`],
  ]) {
    for (const op of ['regex match', 'regex does not match']) {
      const { lines, provider } = recording();
      const bootstrap = when(COUNTRY, op, pattern);
      const client = new ours.LocalEvaluationClient('k', { bootstrap, loggerProvider: provider });
      for (let i = 0; i < 3; i++) t.deepEqual(client.evaluateV2({ country: value }), {});
      t.deepEqual(lines, [
        [
          'error',
          '[Experiment] Flag a has a pattern that is too costly for a value: neither regex operator matches',
          [],
        ],
      ]);
      await client.cache.put('b', flag('b'));
      t.deepEqual(Object.keys(client.evaluateV2({ country: value })), ['b']);
      t.is(lines.length, 2);
    }
  }
});

test('a pattern that is too costly is told of where an invalid one ends its flag too', (t) => {
  const { lines, provider } = recording();
  const [costly] = conditional('a', COUNTRY, 'regex match', '^(a*)*\\1(a*)*\\2(a*)*$').segments;
  const [invalid] = conditional('a', PLAN, 'regex match', '(').segments;
  const bootstrap = { a: flag('a', { segments: [costly, invalid] }) };
  const client = new ours.LocalEvaluationClient('k', { bootstrap, loggerProvider: provider });
  const user = { country: `${'a'.repeat(5000)}!`, user_properties: { plan: ['x'] } };
  t.deepEqual(client.evaluateV2(user), {});
  t.deepEqual(lines.map(([, line]) => line.replace(/:.*/s, '')).sort(), [
    '[Experiment] Flag a has a pattern that is too costly for a value',
    '[Experiment] malformed flags',
  ]);
});

test('a hostile value costs an evaluation the time of two patterns, however many it reaches and however many it is', (t) => {
  const hostile = `${'a'.repeat(40)}!`;
  const patterns = Array.from({ length: 200 }, (_, i) => `^(a+)+\\1{${i + 1}}$`);
  const flags = [
    ...patterns.map((pattern, i) => conditional(`f${i}`, COUNTRY, 'regex match', pattern)),
    conditional('last', COUNTRY, 'is not', 'x'),
  ];
  const bootstrap = Object.fromEntries(flags.map((item) => [item.key, item]));
  for (const country of [hostile, Array.from({ length: 100_000 }, () => hostile)]) {
    const client = new ours.LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
    const start = process.hrtime.bigint();
    t.deepEqual(Object.keys(client.evaluateV2({ country })), ['last']);
    const millis = Number(process.hrtime.bigint() - start) / 1e6;
    // Each alone takes some tens of milliseconds.
    t.true(millis < 2000, `${millis} ms`);
  }
});

test("a user's getters run only where a flag reads them", async (t) => {
  const bootstrap = when(COUNTRY, 'is', 'x');
  const user = {
    country: 'x',
    get os() {
      throw new RangeError('not read');
    },
  };
  t.deepEqual(await evaluated(ours, bootstrap, user), { value: ['a'] });
  t.deepEqual(await evaluated(upstream, bootstrap, user), { error: 'RangeError', message: 'not read' });
});

test("a user's own properties are read, those that are not enumerable too", async (t) => {
  const bootstrap = when(COUNTRY, 'is', 'x');
  const user = Object.defineProperty({}, 'country', { value: 'x' });
  t.deepEqual(await evaluated(ours, bootstrap, user), { value: ['a'] });
  t.deepEqual(await evaluated(upstream, bootstrap, user), { value: [] });
  const proxy = () =>
    new Proxy({}, { get: (_, name) => (name === 'country' ? 'x' : undefined), ownKeys: () => [] });
  t.deepEqual(await evaluated(ours, bootstrap, proxy()), { value: ['a'] });
  t.deepEqual(await evaluated(upstream, bootstrap, proxy()), { value: [] });
});

test('a group type whose groups are null is no group', async (t) => {
  for (const groups of [{ org: null }, { org: undefined }, { org: null, team: ['x'] }]) {
    const bootstrap = when(['context', 'groups', 'org', 'group_name'], 'is', '(none)');
    t.deepEqual(await evaluated(ours, bootstrap, { groups }), { value: ['a'] });
    t.is((await evaluated(upstream, bootstrap, { groups })).error, 'TypeError');
  }
});

test('an object without a prototype has the text of any other', async (t) => {
  const bootstrap = when(PLAN, 'is', '{"a":1}');
  const plan = Object.assign(Object.create(null), { a: 1 });
  t.deepEqual(await evaluated(ours, bootstrap, { user_properties: { plan } }), { value: ['a'] });
  t.is((await evaluated(upstream, bootstrap, { user_properties: { plan } })).error, 'TypeError');
});

test('clients without bootstrap share nothing', async (t) => {
  const [one, other] = [1, 2].map(() => new ours.LocalEvaluationClient('k', { loggerProvider: silent }));
  await one.cache.put('a', flag('a'));
  t.deepEqual(other.cache.getAllCached(), {});
  t.deepEqual(other.evaluateV2({}), {});
});

test('a cohort without a list of members is a failed download', async (t) => {
  const { lines, provider } = recording();
  const targeted = flag('a', { segments: [members(USER_COHORTS, ['c1'])] });
  const request = async (url) => ({
    status: 200,
    body: JSON.stringify(
      url.includes('/cohort/')
        ? { cohortId: 'c1', groupType: 'User', lastModified: 1, memberIds: 'everybody' }
        : [targeted, flag('b')],
    ),
  });
  const cohortSyncConfig = { apiKey: 'a', secretKey: 's' };
  const client = new ours.LocalEvaluationClient(
    'k',
    { cohortSyncConfig, loggerProvider: provider },
    undefined,
    {
      request,
    },
  );
  t.teardown(() => client.stop());
  await client.start();
  t.deepEqual(Object.keys(client.evaluateV2({ user_id: 'u' })), ['b']);
  t.deepEqual(
    lines.filter(([level]) => level === 'error').map(([, message]) => message),
    [
      '[Experiment] Cohort download failed c1',
      '[Experiment] Flag a has cohort ids c1 unavailable, evaluation may be incorrect',
    ],
  );
});

test('the members of a cohort are those that it had when it was put, and texts', (t) => {
  const bootstrap = { a: flag('a', { segments: [members(USER_COHORTS, ['c'])] }) };
  const answers = [upstream, ours].map(({ LocalEvaluationClient }) => {
    const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
    const isIn = (user_id) => 'a' in client.evaluateV2({ user_id });
    const numbers = { groupTypeId: 0, lastComputed: 0, lastModified: 0, size: 2 };
    const cohort = { cohortId: 'c', groupType: 'User', ...numbers, memberIds: new Set(['u', 5]) };
    client.cohortStorage.put({ ...cohort, cohortId: 'z' });
    client.cohortStorage.put(cohort);
    const ids = [...client.cohortStorage.getAllCohortIds()];
    const found = [isIn('u'), isIn(5), isIn('v')];
    cohort.memberIds.add('v');
    found.push(isIn('v'));
    client.cohortStorage.put(cohort);
    return { ids, found: [...found, isIn('v')] };
  });
  t.deepEqual(answers, [
    { ids: ['z', 'c'], found: [true, true, false, true, true] },
    { ids: ['c', 'z'], found: [true, false, false, false, true] },
  ]);
});

/** A server that fails, and what a client of each package comes to who asks it. */
async function failing(t) {
  const server = http.createServer((_, response) => response.writeHead(500).end());
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}`;
}

test.serial("what catches Node's requests sees those of an agent alone", async (t) => {
  const serverUrl = await failing(t);
  const { request } = http;
  let seen = 0;
  http.request = (...given) => (seen++, request(...given));
  try {
    const counts = [];
    for (const [{ RemoteEvaluationClient }, more] of [
      [upstream, {}],
      [ours, {}],
      [ours, { httpAgent: new http.Agent() }],
    ]) {
      seen = 0;
      const client = new RemoteEvaluationClient('k', {
        serverUrl,
        fetchRetries: 0,
        loggerProvider: silent,
        ...more,
      });
      await t.throwsAsync(client.fetchV2({}));
      counts.push(seen);
    }
    t.deepEqual(counts, [1, 0, 1]);
  } finally {
    http.request = request;
  }
});

test('a line from the background has no asynchronous context', async (t) => {
  const serverUrl = await failing(t);
  const context = new AsyncLocalStorage();
  const contexts = [];
  for (const { RemoteEvaluationClient } of [upstream, ours]) {
    const seen = new Set();
    const loggerProvider = { ...silent, error: () => seen.add(context.getStore()) };
    const client = new RemoteEvaluationClient('k', { serverUrl, fetchRetries: 0, loggerProvider });
    await context.run('caller', () => t.throwsAsync(client.fetchV2({})));
    contexts.push([...seen]);
  }
  t.deepEqual(contexts, [['caller'], [undefined]]);
});

test("files of the original's inside are not there", (t) => {
  const inside = 'dist/src/local/streamer';
  t.truthy(require(`@amplitude/experiment-node-server/${inside}`));
  t.throws(() => require(`../${inside}`), { code: 'MODULE_NOT_FOUND' });
});

test('flags are evaluated as they were put, whatever getAllCached has been replaced by', (t) => {
  const answers = [upstream, ours].map(({ LocalEvaluationClient }) => {
    const client = new LocalEvaluationClient('k', { bootstrap: { a: flag('a') }, loggerProvider: silent });
    client.cache.getAllCached = () => ({ b: flag('b') });
    return Object.keys(client.evaluateV2({}));
  });
  t.deepEqual(answers, [['b'], ['a']]);
});

test("a storage's store is a copy: cohorts are put by put", (t) => {
  const { cohortStorage } = new ours.LocalEvaluationClient('k', { loggerProvider: silent });
  const cohort = {
    cohortId: 'c',
    groupType: 'User',
    groupTypeId: 0,
    lastComputed: 0,
    lastModified: 0,
    size: 0,
  };
  cohortStorage.store.c = { ...cohort, memberIds: new Set() };
  t.deepEqual([...cohortStorage.getAllCohortIds()], []);
  cohortStorage.put({ ...cohort, memberIds: new Set(['u']) });
  t.deepEqual(Object.keys(cohortStorage.store), ['c']);
});
