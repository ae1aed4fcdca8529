'use strict';

/** Flags with fields of other types than the server's, and what is nested deep: ours beside upstream. */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { silent, recording, flag, members, USER_COHORTS } = require('./support/outcome');

const P = ['context', 'user', 'user_properties', 'p'];

/** A segment for users of whom an operator holds on what a selector reads. */
const when = (selector, op, values) => ({ conditions: [[{ selector, op, values }]], variant: 'on' });
const conditional = (key, ...condition) => flag(key, { segments: [when(...condition)] });
const byKey = (...flags) => Object.fromEntries(flags.map((item) => [item.key, item]));

/** What a call answers with, its variants in order, or that it throws. */
function answer(call) {
  try {
    return Object.entries(call());
  } catch (error) {
    return `throws ${error.constructor.name}`;
  }
}

/** Clients of both packages; cohorts are ids with their members, all users. */
function both(bootstrap, cohorts = {}) {
  return [ours, upstream].map((module) => {
    const client = new module.LocalEvaluationClient('k', {
      bootstrap: structuredClone(bootstrap),
      loggerProvider: silent,
    });
    for (const [cohortId, list] of Object.entries(cohorts)) {
      const numbers = { groupTypeId: 0, lastComputed: 1, lastModified: 1, size: list.length };
      client.cohortStorage.put({ cohortId, groupType: 'User', memberIds: new Set(list), ...numbers });
    }
    return client;
  });
}

/** The answers of both, often enough to go through generated code; upstream writes into users. */
function answers(clients, user, keys) {
  return clients.map((client) => {
    let last;
    for (let i = 0; i < 12; i++) last = answer(() => client.evaluateV2(structuredClone(user), keys));
    return last;
  });
}

/** Both answer the same, and do not throw. */
function same(t, bootstrap, user, keys) {
  const [our, theirs] = answers(both(bootstrap), user, keys);
  t.true(Array.isArray(theirs), `${theirs} ${JSON.stringify(bootstrap)}`);
  t.deepEqual(our, theirs, JSON.stringify([bootstrap, user]));
  return our;
}

/** Clients of both packages that have the flags from a server. */
async function served(t, body) {
  const clients = [ours, upstream].map((module) => {
    const httpClient = { request: async () => ({ status: 200, body }) };
    return new module.LocalEvaluationClient('k', { loggerProvider: silent }, undefined, httpClient);
  });
  t.teardown(() => clients.forEach((client) => client.stop()));
  for (const client of clients) await client.start();
  return clients;
}

test('numbers too large for a double are told apart, and have the text that JavaScript gives them', async (t) => {
  const clients = await served(
    t,
    `[
      {"key":"low","variants":{"on":{"key":"on"}},"segments":[{"conditions":[[
        {"selector":["context","user","user_properties","p"],"op":"less","values":[-1e999]}]],"variant":"on"}]},
      {"key":"high","variants":{"on":{"key":"on","payload":1e999}},"segments":[{"conditions":[[
        {"selector":["context","user","user_properties","p"],"op":"less","values":[1e999]}]],"variant":"on"}]},
      {"key":"read","dependencies":["high"],"variants":{"on":{"key":"on"}},"segments":[{"conditions":[[
        {"selector":["result","high","payload"],"op":"is","values":["Infinity"]}]],"variant":"on"}]},
      {"key":"all","variants":{"on":{"key":"on"}},"segments":[{"bucket":{"selector":["context","user","user_id"],
        "salt":"s","allocations":[{"range":[-1e999,1e999],"distributions":[{"variant":"on","range":[0,1e999]}]}]}}]}
    ]`,
  );
  const [our, theirs] = answers(clients, { user_id: 'u', user_properties: { p: 5 } });
  t.deepEqual(our, theirs);
  t.deepEqual(
    our.map(([key]) => key),
    ['high', 'read', 'all'],
  );
});

test('numbers too large for a double in a list as text, and nested in one', (t) => {
  for (const value of ['Infinity', '-Infinity', 'null', '[null]', '{"a":null}']) {
    for (const p of ['[1e999]', '[-1e999]', '[[1e999]]', '[{"a":1e999}]']) {
      same(t, byKey(conditional('f', P, 'is', [value])), { user_properties: { p } });
    }
  }
});

test('a backslash before half a surrogate pair makes text no list', (t) => {
  const flags = byKey(
    conditional('set', P, 'set does not contain any', ['x']),
    conditional('is', P, 'is', ['\ud83d']),
  );
  for (const p of [
    '["\\\ud83d"]',
    '["\\\\\ud83d"]',
    '["\ud83d"]',
    '["\\\ud83d\ude00"]',
    '["\\ud83d\ude00"]',
  ]) {
    same(t, flags, { user_properties: { p } });
  }
});

test('cohorts that only the flags of a cycle name are known', (t) => {
  const cycle = { segments: [members(USER_COHORTS, ['c9'])] };
  const flags = byKey(
    flag('a', { ...cycle, dependencies: ['b'] }),
    flag('b', { dependencies: ['a'] }),
    flag('self', { segments: [members(USER_COHORTS, ['c8'])], dependencies: ['self'] }),
    conditional('q', USER_COHORTS, 'is', ['c9']),
    conditional('s', USER_COHORTS, 'is', ['c8']),
  );
  const whole = conditional('w', ['context', 'user'], 'contains', ['"c8"']);
  for (const bootstrap of [flags, { ...flags, w: whole }]) {
    const clients = both(bootstrap, { c8: ['u'], c9: ['u'] });
    const [our, theirs] = answers(clients, { user_id: 'u' }, ['q', 's', 'w']);
    t.deepEqual(our, theirs);
    t.deepEqual(our.map(([key]) => key).slice(0, 2), ['q', 's']);
  }
});

test('keys and dependencies of other types are the keys that they are in JavaScript', (t) => {
  const on = flag('x');
  same(t, { 5: { ...on, key: 5 }, t: { ...on, key: true }, l: { ...on, key: ['l'] } }, {});
  const parents = { 5: flag('5'), b: flag('b'), c: flag('c'), '😀': flag('😀'), null: flag('null') };
  for (const dependencies of [[5], 'b', 'cb', '😀', [null], [['b']], '']) {
    same(t, { a: flag('a', { dependencies }), ...parents }, {}, ['a']);
  }
});

test('a flag from a server whose key is a number is evaluated, but the cache does not list it', async (t) => {
  const clients = await served(
    t,
    JSON.stringify([{ ...flag('x'), key: 5 }, flag('b', { dependencies: [5] })]),
  );
  const [our, theirs] = answers(clients, {}, ['b']);
  t.deepEqual(our, theirs);
  t.deepEqual(
    our.map(([key]) => key),
    ['5', 'b'],
  );
  const listed = await Promise.all(clients.map((client) => client.cache.getAll()));
  t.deepEqual(listed.map(Object.keys), [['b'], ['5', 'b']]);
});

const OPERATORS = [
  ...['is', 'is not', 'contains', 'does not contain', 'less', 'less or equal', 'greater', 'greater or equal'],
  ...['version less', 'version less or equal', 'version greater', 'version greater or equal'],
  ...['set is', 'set is not', 'set contains', 'set does not contain', 'set contains any'],
  ...['set does not contain any', 'regex match', 'regex does not match'],
];
const FILTERS = [
  ...[[2], [null], ['u', 5], [5, 'u'], ['true', 5], ['TRUE', 5, 'u'], [true], [2, '3.0.0'], ['(none)', 5]],
  ...[['3.0.0', null], [1.2], [['9']], [['u']], [[]], [[null, 'u']], [{}], [{ a: 1 }, 'u'], [['3.0.0']]],
];
const SUBJECTS = [
  ...[
    undefined,
    null,
    '',
    'u',
    '2',
    '5',
    '9',
    '1.2',
    '1.0.0',
    '4.0.0',
    'true',
    'false',
    'xu5',
    'null',
    2,
    true,
  ],
  ...[[], ['u'], ['2'], ['5', 'u'], ['true'], ['u', 'false'], ['1.0.0'], '["u","5"]', {}, 'z'],
];

for (const op of OPERATORS) {
  test(`${op}: filter values that are no strings`, (t) => {
    let threw = 0;
    for (const values of FILTERS) {
      const clients = both(byKey(flag('always'), conditional('f', P, op, values)));
      for (const p of SUBJECTS) {
        const [our, theirs] = answers(clients, { user_properties: { p } });
        t.true(Array.isArray(our));
        t.is(our[0][0], 'always');
        if (Array.isArray(theirs)) t.deepEqual(our, theirs, JSON.stringify([op, values, p]));
        else threw++;
      }
    }
    // Where upstream throws, it does so out of the whole call.
    t.is(threw > 0, !/less|greater|set is|regex/.test(op));
  });
}

test('a filter value that an operator cannot work with costs who reaches it that flag, and is logged', (t) => {
  const { lines, provider } = recording();
  const bootstrap = byKey(conditional('f', P, 'is not', ['u', 5]), flag('always'));
  const client = new ours.LocalEvaluationClient('k', { bootstrap, loggerProvider: provider });
  const theirs = new upstream.LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
  t.deepEqual(Object.keys(client.evaluateV2({})), ['f', 'always']);
  t.deepEqual(Object.keys(client.evaluateV2({ user_properties: { p: 'x' } })), ['always']);
  t.throws(() => theirs.evaluateV2({ user_properties: { p: 'x' } }), { instanceOf: TypeError });
  const [our, original] = answers(both(byKey(conditional('f', P, 'is not', ['true', 5]))), {
    user_properties: { p: 'false' },
  });
  t.deepEqual([our.length, original], [1, 'throws TypeError']);
  const errors = lines.filter(([level]) => level === 'error');
  t.is(errors.length, 1);
  t.regex(errors[0][1], /malformed flags.*f.*a filter value is not a string/);
});

test('metadata that is a list or text is spread', (t) => {
  for (const metadata of [['a', { b: 1 }], 'xy', 'a😀', 5, true, null, [], '', { a: 1, 0: 'z' }]) {
    const variants = { on: { key: 'on', metadata }, off: { key: 'off' } };
    const segments = [
      { ...when(P, 'is', ['u']), metadata },
      { variant: 'off', metadata: { 1: 's' } },
    ];
    const flags = { a: flag('a', { metadata }), b: flag('b', { variants, segments, metadata: { 0: 'f' } }) };
    for (const p of ['u', 'v']) same(t, flags, { user_properties: { p } });
  }
});

test('a variant that is no object is spread', (t) => {
  for (const on of ['x', '😀', 5, true, ['q'], [], [['a'], { b: 1 }], 0, false, null, '']) {
    const reader = conditional('r', ['result', 'f', '0'], 'is', ['x', 'q']);
    const flags = byKey(flag('f', { variants: { on }, metadata: { m: 1 } }), {
      ...reader,
      dependencies: ['f'],
    });
    same(t, flags, {});
  }
});

test('variants in a list, and segments and buckets that are no objects', (t) => {
  for (const variants of [[{ key: 'a' }, { key: 'b' }], 'xy', ['x', null], 5, [], true]) {
    for (const variant of ['1', 1, '0', 'on', '2']) {
      same(t, byKey(flag('f', { variants, segments: [{ variant }] })), {});
    }
  }
  same(t, byKey(flag('f', { segments: [5, 'x', [{}], false, { variant: 'on' }] })), {});
  for (const bucket of [5, 'x', [1], true]) {
    same(t, byKey(flag('f', { segments: [{ bucket, variant: 'on' }] })), {});
  }
});

test('__proto__ in a variant or in metadata is no property of the result', (t) => {
  const odd = JSON.parse('{"key":"on","__proto__":{"x":1},"metadata":{"__proto__":{"y":1},"a":2}}');
  const flags = byKey({ ...flag('f', { variants: { on: odd }, metadata: odd.metadata }) });
  const [[, variant]] = same(t, flags, {});
  t.is(JSON.stringify(variant), '{"key":"on","metadata":{"a":2}}');
  t.is(Object.getPrototypeOf(variant), Object.prototype);
  t.is(variant.metadata.y, undefined);
  const payload = JSON.parse('{"__proto__":{"x":1}}');
  same(t, byKey(flag('f', { variants: { on: { key: 'on', payload } } })), {});
});

/** A flag that buckets by the user id, half and half. */
const bucketed = (salt, range = [0, 100], share = [0, 21474836]) => {
  const distributions = [
    { variant: 'a', range: share },
    { variant: 'b', range: [21474836, 42949673] },
  ];
  const bucket = { selector: ['context', 'user', 'user_id'], salt, allocations: [{ range, distributions }] };
  return byKey({ key: 'f', variants: { a: { key: 'a' }, b: { key: 'b' } }, segments: [{ bucket }] });
};

test('salts and ranges of other types count as JavaScript counts them', (t) => {
  const users = Array.from({ length: 20 }, (_, i) => ({ user_id: `u${i}` }));
  const salts = [null, 1.5, true, ['x'], ['x', null, ['y', 1]], { a: 1 }, undefined, 1e21, ''];
  for (const salt of salts) for (const user of users) same(t, bucketed(salt), user);
  const ends = [
    ['0', '100'],
    ['50', 100],
    [null, 100],
    [true, '60'],
    [['10'], [90]],
    [{}, 100],
    ['x', 100],
  ];
  const ranges = [...ends, [0], [], [0, null], 5, {}, { 0: 20, 1: '80' }, [' 0x10 ', '1e2']];
  for (const range of ranges) for (const user of users) same(t, bucketed('s', range), user);
  for (const share of [['0', '21474836'], [null, true], {}]) {
    for (const user of users) same(t, bucketed('s', undefined, share), user);
  }
});

test('names and variants that are lists are the keys that they are in JavaScript', (t) => {
  const user = { user_id: 'u', user_properties: { p: 'x', 5: 'y', true: 'z' } };
  for (const selector of [
    ...[
      ['context', ['user'], 'user_id'],
      [['context'], 'user', ['user_id']],
      ['context', 'user', ['user_properties', 'p']],
    ],
    ...[
      ['context', 'user', 'user_properties', 5],
      ['context', 'user', 'user_properties', true],
    ],
    ...['context', 'c', '', null, ['context', 'user', 0, 'x'], ['context', {}, 'user']],
  ]) {
    for (const op of ['is', 'is not', 'contains']) {
      same(t, byKey(conditional('f', selector, op, ['u', 'y', 'z'])), user);
    }
  }
  for (const variant of [['on'], [['on']], [], {}, null, 1, true, undefined]) {
    same(
      t,
      byKey(flag('f', { variants: { on: { key: 'on' }, 1: { key: '1' } }, segments: [{ variant }] })),
      user,
    );
  }
});

const nested = (depth, inmost = 1) => {
  let value = inmost;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

test('a payload that is nested deep does not take the rest of its variant away from conditions', (t) => {
  const payload = nested(1000);
  const deep = flag('p', { variants: { on: { key: 'on', value: 'v', payload, metadata: { m: 1 } } } });
  const reading = (key, ...path) => ({
    ...conditional(key, ['result', 'p', ...path], 'is', ['on', 'v', '1']),
    dependencies: ['p'],
  });
  const flags = [reading('key', 'key'), reading('value', 'value'), reading('metadata', 'metadata', 'm')];
  same(t, byKey(deep, ...flags, reading('none', 'payload')), {});
});

test('what a variant nests deeper than 256 levels is null to conditions on it', (t) => {
  const flags = (depth, inmost) =>
    byKey(flag('p', { variants: { on: { key: 'on', payload: nested(depth) } } }), {
      ...conditional('q', ['result', 'p', 'payload', '0'], 'is', [JSON.stringify(nested(depth - 2, inmost))]),
      dependencies: ['p'],
    });
  same(t, flags(200, 1), {});
  const [our, theirs] = answers(both(flags(1000, 1)), {});
  t.deepEqual(
    [our, theirs].map((list) => list.map(([key]) => key)),
    [['p'], ['p', 'q']],
  );
});

test('text that is a list nested deeper than 256 levels is a text', (t) => {
  const flags = byKey(
    conditional('set', P, 'set does not contain any', ['x']),
    conditional('is', P, 'contains', ['[']),
  );
  const user = (depth) => ({ user_properties: { p: JSON.stringify(nested(depth)) } });
  same(t, flags, user(256));
  const [our, theirs] = answers(both(flags), user(300));
  t.deepEqual(
    [our, theirs].map((list) => list.map(([key]) => key)),
    [['is'], ['set', 'is']],
  );
});

test('fields that are not coerced as JavaScript would, and parts that nobody reaches, leave their flag out', (t) => {
  const listed = (dependencies) => ({ a: flag('a', { dependencies }), b: flag('b') });
  const user = { user_properties: { p: ['x'] } };
  for (const [bootstrap, expected] of [
    [{ a: flag(undefined) }, ['undefined']],
    [{ a: flag(null) }, ['null']],
    [{ a: flag('a', { segments: [{ variant: 'on' }, null] }) }, ['a']],
    [listed({ length: 1, 0: 'b' }), ['b', 'a']],
    [byKey(conditional('a', P, 'contains', 'xy')), ['a']],
    [byKey(conditional('a', P, 'set does not contain any', [nested(300)])), ['a']],
  ]) {
    const [our, theirs] = answers(both(bootstrap), user, Object.keys(bootstrap).slice(0, 1));
    t.deepEqual(
      theirs.map(([key]) => key),
      expected,
    );
    t.deepEqual(our, []);
  }
});

test('nobody is in a range that is text, and __proto__ is not inherited from', (t) => {
  const clients = both(bucketed('s', '09'));
  const users = Array.from({ length: 100 }, (_, i) => ({ user_id: `u${i}` }));
  const [our, theirs] = clients.map((client) =>
    users.flatMap((user) => Object.keys(client.evaluateV2(user))),
  );
  t.is(our.length, 0);
  t.true(theirs.length > 0);
  const metadata = JSON.parse('{"__proto__":{"y":1}}');
  const [[[, mine]], [[, original]]] = answers(both(byKey(flag('f', { metadata }))), {});
  t.deepEqual([mine.metadata.y, original.metadata.y], [undefined, 1]);
});

test('tracking: flag types that are lists, and variants that are nested deep', async (t) => {
  const variant = (extra) => ({ variants: { on: { key: 'on', ...extra } } });
  const flags = byKey(
    flag('group', variant({ metadata: { flagType: ['mutual-exclusion-group'] } })),
    flag('other', variant({ metadata: { flagType: [['x']] } })),
    flag('deep', variant({ payload: nested(1000) })),
    flag('odd', { variants: { on: ['a'] }, metadata: 'm' }),
  );
  const sent = [ours, upstream].map((module) => {
    const events = [];
    const send = async (_, { events: more }) => {
      events.push(...more);
      return {
        status: 'success',
        statusCode: 200,
        eventsIngested: 1,
        payloadSizeBytes: 1,
        serverUploadTime: 1,
      };
    };
    const exposureConfig = { apiKey: 'a'.repeat(32), flushIntervalMillis: 20, transportProvider: { send } };
    const config = { bootstrap: structuredClone(flags), loggerProvider: silent, exposureConfig };
    const client = new module.LocalEvaluationClient('k', config);
    client.evaluateV2({ user_id: 'u' }, undefined, { tracksExposure: true });
    return events;
  });
  while (sent.some((events) => events.length < 4)) await new Promise((resolve) => setTimeout(resolve, 20));
  const [our, theirs] = sent.map((events) =>
    events.map(({ event_type, event_properties, user_properties, insert_id }) => ({
      ...{ event_type, event_properties, user_properties, insert_id },
    })),
  );
  t.deepEqual(our, theirs);
  t.deepEqual(our[0].user_properties.$set, {});
});
