'use strict';

/** The same calls on both packages: the same values, classes and messages of errors. */

const http = require('node:http');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { outcome, silent, recording, flag, members, USER_COHORTS } = require('./support/outcome');

const local = ({ LocalEvaluationClient }, config) =>
  new LocalEvaluationClient('key', { bootstrap: { a: flag('a') }, loggerProvider: silent, ...config });

/** A client whose protected hooks can be called. */
const open = ({ LocalEvaluationClient }, config) => {
  class Open extends LocalEvaluationClient {
    enrich(user, flags) {
      this.enrichUserWithCohorts(user, flags);
      return user;
    }
  }
  return new Open('key', { loggerProvider: silent, ...config });
};

const cohort = (cohortId, groupType, ...ids) => ({
  cohortId,
  groupType,
  groupTypeId: 0,
  lastComputed: 1,
  lastModified: 2,
  size: ids.length,
  memberIds: new Set(ids),
});

const COHORT_FLAGS = {
  a: flag('a', { segments: [members(USER_COHORTS, ['c1', 'c2'])] }),
  b: flag('b', {
    segments: [members(['context', 'groups', 'org', 'cohort_ids'], ['g1'], 'set does not contain any')],
  }),
  unknown: flag('unknown', {
    segments: [
      members(['context', 'gg', 'org', 'cohort_ids'], ['z1']),
      members(['context', 'user', 'cocoids'], ['z2']),
      members(['context', 'cohort_ids'], ['z3']),
      members(USER_COHORTS, ['z4'], 'is'),
    ],
  }),
};

/** A store that writes down what it is told. */
function store() {
  const told = [];
  const methods = ['put', 'putAll', 'delete', 'clear'].map((name) => [
    name,
    async (...args) => void told.push([name, ...args]),
  ]);
  return { told, ...Object.fromEntries(methods) };
}

const fetcher = ({ FlagConfigFetcher }, response) =>
  new FlagConfigFetcher('key', { request: async () => response });

const CASES = {
  'the members of the prototypes': ({ LocalEvaluationClient, ...module }) =>
    [
      ...['RemoteEvaluationClient', 'InMemoryFlagConfigCache', 'FlagConfigFetcher'].map(
        (name) => module[name],
      ),
    ].map(({ name, prototype }) => [
      name,
      Object.getOwnPropertyNames(prototype).filter((key) =>
        /^(fetch|fetchV2|get.*|put.*|delete|clear|setRawReceiver)$/.test(key),
      ),
    ]),
  'names and required arguments of classes': (module) =>
    ['RemoteEvaluationClient', 'FlagConfigFetcher', 'FlagConfigPoller', 'InMemoryFlagConfigCache'].map(
      (name) => [module[name].name, module[name].length],
    ),

  // The cache, on its own.
  'a cache over no map': ({ InMemoryFlagConfigCache }) =>
    new InMemoryFlagConfigCache(undefined, null).getAll(),
  'putAll(null)': async ({ InMemoryFlagConfigCache }) => {
    const { told, ...backing } = store();
    const cache = new InMemoryFlagConfigCache(backing);
    await cache.putAll(null);
    await cache.putAll(undefined);
    return [told, cache.getAllCached()];
  },
  'putAll copies inherited keys and leaves falsy flags out': async ({ InMemoryFlagConfigCache }) => {
    const cache = new InMemoryFlagConfigCache();
    await cache.putAll(
      Object.assign(Object.create({ inherited: { k: 1 } }), { own: { k: 2 }, none: null, no: 0 }),
    );
    return Object.entries(cache.getAllCached()).sort();
  },
  'what a store is told, and what comes back': async ({ InMemoryFlagConfigCache }) => {
    const { told, ...backing } = store();
    const cache = new InMemoryFlagConfigCache(backing);
    const returned = [
      await cache.put('a', { k: 1 }),
      await cache.putAll({ b: { k: 2 }, c: null }),
      await cache.delete('a'),
      await cache.clear(),
    ];
    return { told, returned };
  },
  'a store that rejects, after memory has changed': async ({ InMemoryFlagConfigCache }) => {
    const failing = { put: async () => Promise.reject(new RangeError('full')) };
    const cache = new InMemoryFlagConfigCache(failing);
    return [await outcome(() => cache.put('a', { k: 1 })), cache.getAllCached()];
  },
  'a store is never read': ({ InMemoryFlagConfigCache }) => {
    const filled = { getAll: async () => ({ a: flag('a') }), get: async () => flag('a') };
    return new InMemoryFlagConfigCache(filled).getAllCached();
  },
  'memory changes before a write is waited for': ({ InMemoryFlagConfigCache }) => {
    const cache = new InMemoryFlagConfigCache();
    cache.put('a', { k: 1 });
    cache.put('b', { k: 2 });
    cache.delete('a');
    return cache.getAllCached();
  },
  'flags come back as the objects that were put': async ({ InMemoryFlagConfigCache }) => {
    const own = { k: 1 };
    const cache = new InMemoryFlagConfigCache();
    await cache.put('a', own);
    return [
      (await cache.get('a')) === own,
      cache.getAllCached().a === own,
      (await cache.getAll()) === cache.getAllCached(),
    ];
  },
  "a client's cache holds the objects of its bootstrap, in JavaScript's order": async (module) => {
    const bootstrap = { b: flag('b'), a: flag('a'), 2: flag('2') };
    const { cache } = local(module, { bootstrap });
    await cache.put('c', flag('c'));
    return [cache.getAllCached().a === bootstrap.a, Object.keys(cache.getAllCached())];
  },

  // Bootstrap.
  ...Object.fromEntries(
    [null, undefined, {}, [flag('a'), flag('b')], { x: flag('a') }].map((bootstrap) => [
      `bootstrap ${JSON.stringify(bootstrap)}`,
      (module) => local(module, { bootstrap }).evaluateV2({}),
    ]),
  ),
  'a flag that is an instance of a class': (module) => {
    class Flag {
      constructor() {
        Object.assign(this, flag('a'));
      }
    }
    return local(module, { bootstrap: { a: new Flag() } }).evaluateV2({});
  },

  // What flag keys may be.
  ...Object.fromEntries(
    [
      undefined,
      null,
      false,
      0,
      '',
      'a',
      5,
      true,
      {},
      { length: 1, 0: 'a' },
      new Set(['a']),
      [null, undefined, 5, 'a'],
      ['a', 'a'],
      ['nothing'],
    ].map((keys, i) => [
      `flag keys ${i} (${typeof keys} ${String(keys)})`,
      (m) => local(m).evaluateV2({}, keys),
    ]),
  ),
  'values of all kinds as text, the missing last': (module) => {
    const values = ['text', true, false, 1.5, -0, [1, 'x'], { b: 1, a: [null] }, null, ''];
    const bootstrap = Object.fromEntries(
      values.map((value, i) => [
        `f${i}`,
        { key: `f${i}`, variants: { on: { key: 'on', value, payload: i } }, segments: [{ variant: 'on' }] },
      ]),
    );
    bootstrap.none = flag('none', { variants: { on: { key: 'on', extra: 1 } } });
    return Object.entries(local(module, { bootstrap }).evaluateV2({})).map(([key, variant]) => [
      key,
      Object.entries(variant).filter(([name]) => name !== 'metadata'),
    ]);
  },
  'evaluate leaves out what has a truthy default, even false as text': async (module) => {
    const off = flag('off', { variants: { on: { key: 'on', metadata: { default: 'false' } } } });
    const bootstrap = { off, a: flag('a', { metadata: { deployed: false } }) };
    return [local(module, { bootstrap }).evaluateV2({}), await local(module, { bootstrap }).evaluate({})];
  },
  'users that are no users': async (module) =>
    Promise.all(
      [undefined, null].flatMap((user) => [
        outcome(() => local(module).evaluateV2(user)),
        outcome(() => local(module, { bootstrap: {} }).evaluateV2(user)),
        outcome(() => local(module).evaluate(user)),
      ]),
    ),

  // Cohorts by hand.
  'a cohort storage': (module) => {
    const { cohortStorage } = local(module);
    const mine = cohort('c', 'User', 'u1', 'u2');
    const answers = [cohortStorage.put(mine), cohortStorage.put(cohort('g', 'org', 'acme', 'u1'))];
    answers.push(
      Object.keys(cohortStorage),
      Object.keys(cohortStorage.store),
      cohortStorage.getCohort('c') === mine,
      cohortStorage.getCohort('none'),
      cohortStorage.getAllCohortIds(),
      cohortStorage.getCohortsForUser('u1', new Set(['none', 'g', 'c'])),
      cohortStorage.getCohortsForUser('u3', new Set(['c'])),
      cohortStorage.getCohortsForGroup('org', 'acme', new Set(['c', 'g'])),
      cohortStorage.getCohortsForGroup('team', 'acme', new Set(['g'])),
      cohortStorage.getCohortsForGroup('User', 'u2', new Set(['c'])),
      cohortStorage.delete('c'),
      cohortStorage.delete('none'),
      cohortStorage.getAllCohortIds(),
    );
    return answers;
  },
  'members are compared strictly': (module) => {
    const { cohortStorage } = local(module);
    cohortStorage.put(cohort('c', 'User', '5'));
    return [5, '5', null, undefined].map((id) => cohortStorage.getCohortsForUser(id, new Set(['c'])));
  },
  'enrichUserWithCohorts writes what is stored, and nothing else': (module) => {
    const client = open(module);
    client.cohortStorage.put(cohort('c1', 'User', 'u'));
    client.cohortStorage.put(cohort('g1', 'org', 'acme'));
    return [
      { user_id: 'u', groups: { org: ['acme', 'x'], team: ['t'] } },
      { user_id: 'u', cohort_ids: ['mine'], groups: { org: [] } },
      { device_id: 'd', cohort_ids: ['mine'] },
      {
        user_id: 'u',
        groups: { org: ['acme'] },
        group_cohort_ids: { org: { x: ['y'] }, team: { t: ['q'] } },
      },
      { user_id: 'u', groups: { org: 'acme' } },
      { user_id: '', groups: { org: [''] } },
      { user_id: 'other', groups: { org: ['other'] } },
    ].map((user) => client.enrich(user, COHORT_FLAGS));
  },
  'cohorts by flag, and the answer of the check': (module) => {
    const seen = [];
    class Client extends module.LocalEvaluationClient {
      checkFlagsCohortsAvailable(byFlag) {
        const available = super.checkFlagsCohortsAvailable(byFlag);
        seen.push([Object.entries(byFlag).filter(([, ids]) => ids.size > 0), available]);
        return available;
      }
    }
    const client = new Client('key', { bootstrap: COHORT_FLAGS, loggerProvider: silent });
    client.evaluateV2({ user_id: 'u' });
    client.cohortStorage.put(cohort('c1', 'User', 'u'));
    client.evaluateV2({ user_id: 'u' });
    client.cohortStorage.put(cohort('c2', 'User'));
    client.cohortStorage.put(cohort('g1', 'org'));
    client.evaluateV2({ user_id: 'u' });
    return seen;
  },

  // Loggers that throw or lack a method, during a call of the caller's.
  'a provider without the method': async (module) =>
    (await outcome(() => local(module, { loggerProvider: {}, debug: true }).evaluateV2({}))).error,
  'a provider that throws': (module) => {
    const debug = () => {
      throw new RangeError('full');
    };
    return local(module, { loggerProvider: { debug }, debug: true }).evaluateV2({});
  },
  'levels that are no levels': (module) =>
    ['4', 'Debug', null, -1, 99, NaN].map((logLevel) => {
      const { lines, provider } = recording();
      local(module, { logLevel, loggerProvider: provider }).evaluateV2({});
      return lines.map(([level]) => level);
    }),

  // A caller's own HTTP client.
  ...Object.fromEntries(
    [
      ['that is null', null],
      ['that answers with nothing', { request: async () => undefined }],
      ['that answers without a body', { request: async () => ({ status: 200 }) }],
      ['that answers with an object', { request: async () => ({ status: 200, body: '{}' }) }],
      ['that answers with half a list', { request: async () => ({ status: 200, body: '[' }) }],
      ['that answers 404', { request: async () => ({ status: 404, body: '[]' }) }],
      ['with a status that is text', { request: async () => ({ status: '200', body: '[]' }) }],
      [
        'that throws',
        {
          request() {
            throw new RangeError('mine');
          },
        },
      ],
    ].map(([name, httpClient]) => [
      `start with an HTTP client ${name}`,
      async ({ LocalEvaluationClient }) => {
        const client = new LocalEvaluationClient('key', { loggerProvider: silent }, undefined, httpClient);
        try {
          return await client.start();
        } finally {
          client.stop();
        }
      },
    ]),
  ),
  "a caller's own error comes back as it is": async ({ LocalEvaluationClient }) => {
    const thrown = [Object.assign(new RangeError('one'), { extra: 1 }), 'text', undefined, { plain: true }];
    const caught = [];
    for (const error of thrown) {
      const request = async () => Promise.reject(error);
      const client = new LocalEvaluationClient('key', { loggerProvider: silent }, undefined, { request });
      await client.start().catch((reason) => caught.push(reason === error));
    }
    return caught;
  },

  // The fetcher, on its own.
  ...Object.fromEntries(
    [
      { status: 200, body: '[]' },
      { status: 200, body: '{}' },
      { status: 200, body: 'null' },
      { status: 200, body: 'x' },
      { status: 500 },
      { status: 204, body: '' },
      { status: '200', body: '[]' },
    ].map((response) => [
      `FlagConfigFetcher of ${JSON.stringify(response)}`,
      (module) => fetcher(module, response).fetch(),
    ]),
  ),
  'what FlagConfigFetcher asks for': async ({ FlagConfigFetcher }) => {
    const asked = [];
    const request = async (...args) => (asked.push(args), { status: 200, body: '[]' });
    await new FlagConfigFetcher('key', { request }).fetch();
    await new FlagConfigFetcher('key', { request }, 'http://host/base').fetch();
    return asked;
  },

  // Remote evaluation.
  'an empty key': async ({ RemoteEvaluationClient }) => {
    const { lines, provider } = recording();
    const client = new RemoteEvaluationClient('', { loggerProvider: provider, logLevel: 5 });
    return [await outcome(() => client.fetchV2({})), await client.fetch({}), lines.length];
  },
  'a timeout of nought': async ({ RemoteEvaluationClient }) => {
    const config = {
      fetchTimeoutMillis: 0,
      fetchRetries: 0,
      loggerProvider: silent,
      serverUrl: 'http://127.0.0.1:1',
    };
    const client = new RemoteEvaluationClient('key', config);
    return [await outcome(() => client.fetchV2({})), await client.fetch({})];
  },
  'an agent that is none': async ({ RemoteEvaluationClient }) => {
    const config = {
      httpAgent: 5,
      fetchRetries: 0,
      loggerProvider: silent,
      serverUrl: 'https://127.0.0.1:1',
    };
    const error = await new RemoteEvaluationClient('key', config).fetchV2({}).catch((reason) => reason);
    return [error.constructor.name, error.code, error.message];
  },
  ...Object.fromEntries(
    [
      '[]',
      '5',
      '"abc"',
      '{"a":"on","b":5}',
      '[{"key":"a"}]',
      '{"a":{"key":"off","metadata":{"default":"false"}},"b":{}}',
    ].map((body) => [
      `the answer ${body}`,
      async (module) => [await fetched(module, body), await fetched(module, body, 'fetch')],
    ]),
  ),
  'a null variant': async (module) => (await outcome(() => fetched(module, '{"a":null}'))).error,
};

for (const [name, call] of Object.entries(CASES)) {
  test(`as upstream: ${name}`, async (t) => {
    t.deepEqual(await outcome(() => call(ours)), await outcome(() => call(upstream)));
  });
}

/** What a remote client makes of a body. */
async function fetched({ RemoteEvaluationClient }, body, method = 'fetchV2') {
  const server = http.createServer((_, response) => response.setHeader('Connection', 'close').end(body));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const serverUrl = `http://127.0.0.1:${server.address().port}`;
    const config = { serverUrl, loggerProvider: silent, fetchRetries: 0 };
    return await new RemoteEvaluationClient('key', config)[method]({});
  } finally {
    server.close();
  }
}
