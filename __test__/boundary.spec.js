'use strict';

/** How users go into an evaluation and results come out of it. */

const { execFileSync } = require('node:child_process');
const path = require('node:path');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const { LocalEvaluationClient } = require('..');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

/** A flag that is `on` where a property of the user is `yes`, and `off` otherwise. */
function flag(key, selector = ['context', 'user', 'user_properties', 'plan'], extra = {}) {
  return {
    key,
    variants: {
      on: { key: 'on', value: 'on', payload: { list: [1, { deep: true }] } },
      off: { key: 'off', metadata: { default: true } },
    },
    segments: [
      {
        conditions: [[{ selector, op: 'is', values: ['yes'] }]],
        variant: 'on',
        metadata: { segmentName: 'yes' },
      },
      { variant: 'off' },
    ],
    metadata: { flagVersion: 3 },
    ...extra,
  };
}

function client(...flags) {
  const bootstrap = Object.fromEntries(flags.map((item) => [item.key, item]));
  return new LocalEvaluationClient('server-key', { bootstrap, loggerProvider: silent });
}

const yes = { user_properties: { plan: 'yes' } };

/** Evaluations go through an interpreter first and through generated code later: both have to hold. */
const TIMES = 20;

test('a result is fresh on every call, nested payloads included, and safe to change', (t) => {
  const subject = client(flag('a'), flag('b'));
  const expected = {
    key: 'on',
    value: 'on',
    payload: { list: [1, { deep: true }] },
    metadata: { flagVersion: 3, segmentName: 'yes' },
  };
  for (let i = 0; i < TIMES; i++) {
    const { a, b } = subject.evaluateV2(yes);
    t.deepEqual(a, expected);
    t.deepEqual(b, expected);
    a.payload.list[1].deep = 'changed';
    a.payload.list.push(2);
    a.metadata.flagVersion = 'changed';
    a.key = 'changed';
    delete b.value;
  }
});

test("the caller's user is never written to, even where cohorts are looked up", (t) => {
  const cohorts = flag('c', ['context', 'user', 'cohort_ids']);
  cohorts.segments[0].conditions[0][0] = {
    selector: ['context', 'user', 'cohort_ids'],
    op: 'set contains any',
    values: ['c1'],
  };
  const subject = client(cohorts, flag('a'));
  const frozen = Object.freeze({
    user_id: 'u',
    ...yes,
    groups: Object.freeze({ org: Object.freeze(['acme']) }),
  });
  for (let i = 0; i < TIMES; i++) {
    const variants = subject.evaluateV2(frozen);
    t.is(variants.a.key, 'on');
    t.is(variants.c.key, 'off');
  }
  t.deepEqual(Object.keys(frozen), ['user_id', 'user_properties', 'groups']);
});

test('own getters are read; those of a class are not, on the user itself', (t) => {
  const country = ['context', 'user', 'country'];
  const subject = client(flag('a', country));
  class User {
    get country() {
      return 'yes';
    }
  }
  for (let i = 0; i < TIMES; i++) {
    t.is(
      subject.evaluateV2({
        get country() {
          return 'yes';
        },
      }).a.key,
      'on',
    );
    t.is(subject.evaluateV2(new User()).a.key, 'off');
    t.is(subject.evaluateV2(Object.assign(new User(), { other: 1 })).a.key, 'off');
  }
});

test('a getter that evaluates again gets its own answer and leaves the outer one right', (t) => {
  const subject = client(flag('a'), flag('b'));
  for (let i = 0; i < TIMES; i++) {
    let inner;
    const outer = subject.evaluateV2({
      get user_properties() {
        inner = subject.evaluateV2({ user_properties: { plan: 'no' } });
        return { plan: 'yes' };
      },
    });
    t.is(inner.a.key, 'off');
    t.is(outer.a.key, 'on');
    t.is(outer.b.key, 'on');
  }
});

test("what a user's getter throws reaches the caller", (t) => {
  const subject = client(flag('a'));
  const user = {
    get user_properties() {
      throw new RangeError('mine');
    },
  };
  for (let i = 0; i < TIMES; i++)
    t.throws(() => subject.evaluateV2(user), { instanceOf: RangeError, message: 'mine' });
  t.is(subject.evaluateV2(yes).a.key, 'on');
});

test("the user's own cohort ids stay where cohort conditions name none, wherever the user is read", (t) => {
  const ids = ['context', 'user', 'cohort_ids'];
  const whole = flag('whole', ['context']);
  const none = flag('none', ids);
  none.segments[0].conditions[0][0] = { selector: ids, op: 'set contains any', values: [] };
  const reader = flag('reader', ids);
  reader.segments[0].conditions[0][0] = { selector: ids, op: 'is', values: ['c3'] };
  const user = { user_id: 'u', cohort_ids: ['c3'] };
  const bootstrap = { whole, none, reader };
  const theirs = new upstream.LocalEvaluationClient('key', { bootstrap, loggerProvider: silent });
  const expected = theirs.evaluateV2({ ...user });
  t.is(expected.reader.key, 'on');
  for (const flags of [[reader], [none, reader], [whole, reader], [whole, none, reader]]) {
    t.deepEqual(client(...flags).evaluateV2(user).reader, expected.reader);
  }
});

test('values that cannot be written as text match nothing and disturb nobody', (t) => {
  const subject = client(flag('a'), flag('b', ['context', 'user', 'country']));
  const cycle = {};
  cycle.self = cycle;
  for (const plan of [
    cycle,
    { n: 1n },
    Object.create(null),
    Symbol('s'),
    () => {},
    new Map(),
    { toString: null },
    ...unreadable(),
  ]) {
    for (let i = 0; i < TIMES; i++) {
      const variants = subject.evaluateV2({ country: 'yes', user_properties: { plan } });
      t.is(variants.a.key, 'off');
      t.is(variants.b.key, 'on');
    }
  }
});

/** Values that throw when they are turned into text. */
function unreadable() {
  const cycle = {};
  cycle.self = cycle;
  const broken = () => {
    throw new RangeError('broken');
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return [
    cycle,
    { n: 1n },
    { toJSON: broken },
    Object.defineProperty({}, 'x', { get: broken, enumerable: true }),
    new Proxy([1], { get: broken }),
    proxy,
    Object.assign(() => {}, { toString: broken }),
    [cycle],
  ];
}

test('a value that cannot be read as text is logged once per update, with the reason', async (t) => {
  for (const value of unreadable()) {
    const lines = [];
    const subject = new LocalEvaluationClient('k', {
      bootstrap: { a: flag('a'), b: bucketed('b') },
      loggerProvider: { ...silent, error: (...line) => lines.push(line) },
    });
    for (let i = 0; i < TIMES; i++) subject.evaluateV2({ user_properties: { plan: value } });
    subject.evaluateV2(yes);
    t.is(lines.length, 1);
    const [[message, [reason]]] = lines;
    t.is(message, '[Experiment] a property of a user cannot be read as text: no condition matches it');
    t.true(reason instanceof Error);
    await subject.cache.put('c', flag('c'));
    subject.evaluateV2({ user_properties: { plan: value } });
    t.is(lines.length, 2);
  }
  const fine = new LocalEvaluationClient('k', {
    bootstrap: { a: flag('a'), b: bucketed('b') },
    loggerProvider: { ...silent, error: (message) => t.fail(message) },
  });
  for (const plan of [
    Symbol('s'),
    5n,
    Object.create(null),
    { toString: null },
    { toJSON() {} },
    () => {},
    NaN,
  ])
    fine.evaluateV2({ user_properties: { plan } });
});

/** A flag that puts users into buckets by a property. */
function bucketed(key) {
  const selector = ['context', 'user', 'user_properties', 'plan'];
  const distributions = [{ variant: 'on', range: [0, 42949673] }];
  const bucket = { selector, salt: 's', allocations: [{ range: [0, 100], distributions }] };
  return flag(key, undefined, { segments: [{ bucket, variant: 'off' }] });
}

test('users that are not objects are users without properties', (t) => {
  const subject = client(flag('a'));
  for (const user of [5, 'text', true, Symbol('s'), [], () => {}])
    t.is(subject.evaluateV2(user).a.key, 'off');
  for (const user of [undefined, null]) {
    t.throws(() => subject.evaluateV2(user), {
      instanceOf: TypeError,
      message: `Cannot read properties of ${user} (reading 'user_id')`,
    });
  }
});

test('a proxy user is read like an object', (t) => {
  const subject = client(flag('a'));
  for (let i = 0; i < TIMES; i++) t.is(subject.evaluateV2(new Proxy({ ...yes }, {})).a.key, 'on');
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  t.throws(() => subject.evaluateV2(proxy), { instanceOf: TypeError });
});

test('prototype names are own properties only: as flags, selectors and variants', (t) => {
  const subject = client(
    flag('a', ['context', 'user', 'constructor']),
    flag('toString', ['context', 'user', 'user_properties', '__proto__']),
    flag('v', undefined, { segments: [{ variant: 'constructor' }, { variant: 'off' }] }),
  );
  for (let i = 0; i < TIMES; i++) {
    const variants = subject.evaluateV2({ user_properties: {} });
    t.deepEqual(Object.keys(variants), ['a', 'toString', 'v']);
    t.is(variants.a.key, 'off');
    t.is(variants.v.key, 'off');
    t.deepEqual(subject.evaluateV2({}, ['constructor', '__proto__', 'hasOwnProperty']), {});
    t.is(subject.evaluateV2({ constructor: 'yes' }).a.key, 'on');
  }
});

test('flag keys: none named means all; unknown ones are absent; any iterable will do', (t) => {
  const subject = client(flag('a'), flag('b'), flag('1', undefined, { dependencies: ['b'] }));
  for (let i = 0; i < TIMES; i++) {
    t.deepEqual(Object.keys(subject.evaluateV2(yes)), ['1', 'b', 'a']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, [])), ['1', 'b', 'a']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, null)), ['1', 'b', 'a']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, ['b', 'unknown'])), ['b']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, ['1'])), ['1', 'b']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, new Set(['a']))), ['a']);
    t.deepEqual(Object.keys(subject.evaluateV2(yes, 'ab')), ['a', 'b']);
  }
  t.throws(() => subject.evaluateV2(yes, 5), { instanceOf: TypeError, message: 'Object is not iterable.' });
});

test('more distinct sets of keys than are kept are all answered', (t) => {
  const subject = client(...Array.from({ length: 100 }, (_, i) => flag(`f${i}`)));
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 60; j++) {
      const keys = Object.keys(subject.evaluateV2(yes, [`f${i}`, `f${j}`]));
      if (keys.length !== (i === j ? 1 : 2)) t.fail(`${i} ${j}: ${keys}`);
    }
  }
  t.pass();
});

test('sets of keys that are never asked for again leave nothing behind', (t) => {
  const script = `
    const { LocalEvaluationClient } = require(${JSON.stringify(path.join(__dirname, '..'))});
    const flag = ${flag};
    const keys = Array.from({ length: 60 }, (_, i) => 'a-flag-with-an-ordinary-name-' + i);
    const bootstrap = Object.fromEntries(keys.map((key) => [key, flag(key)]));
    const client = new LocalEvaluationClient('server-key', { bootstrap });
    let asked = 0;
    async function ask(times) {
      for (let i = 0; i < times; i++) {
        client.evaluateV2({}, [...keys.slice(asked % 30, 30 + (asked % 30)), 'unknown-' + asked++]);
        // Finalizers run between turns.
        if (i % 500 === 0) await new Promise(setImmediate);
      }
      for (let i = 0; i < 5; i++) {
        gc();
        await new Promise(setImmediate);
      }
      return process.memoryUsage().rss;
    }
    (async () => {
      const before = await ask(15000);
      console.log((await ask(40000)) - before);
    })();
  `;
  const grown = Number(execFileSync(process.execPath, ['--expose-gc', '-e', script]));
  // Two kilobytes for each were 80 MiB.
  t.true(grown < 40 * 2 ** 20, `${grown} bytes`);
});

test('more patterns of absent flags than get a literal of their own are all answered', (t) => {
  const flags = Array.from({ length: 8 }, (_, i) => {
    const item = flag(`f${i}`, ['context', 'user', 'user_properties', `p${i}`]);
    item.segments.pop();
    return item;
  });
  const subject = client(...flags);
  for (let round = 0; round < 3; round++) {
    for (let bits = 0; bits < 256; bits++) {
      const present = flags.map((_, i) => i).filter((i) => bits & (1 << i));
      const properties = Object.fromEntries(present.map((i) => [`p${i}`, 'yes']));
      const keys = Object.keys(subject.evaluateV2({ user_properties: properties }));
      t.deepEqual(
        keys,
        present.map((i) => `f${i}`),
      );
    }
  }
});

test('a thousand flags and more are answered', (t) => {
  const subject = client(...Array.from({ length: 1500 }, (_, i) => flag(`f${i}`)));
  for (let i = 0; i < TIMES; i++) {
    const variants = subject.evaluateV2(yes);
    t.is(Object.keys(variants).length, 1500);
    t.is(variants.f1499.value, 'on');
  }
});

test('of more than a thousand variants those are there that should be, and nothing is prepared twice', (t) => {
  const flags = Array.from({ length: 1500 }, (_, i) => flag(`f${i}`));
  flags[1400].segments.pop();
  const subject = client(...flags);
  for (let i = 0; i < TIMES; i++) subject.evaluateV2(i % 2 ? yes : {});
  const { stringify } = JSON;
  let count = 0;
  JSON.stringify = (...values) => {
    count++;
    return Reflect.apply(stringify, JSON, values);
  };
  try {
    t.is(subject.evaluateV2(yes).f1400.value, 'on');
    t.false('f1400' in subject.evaluateV2({}));
  } finally {
    JSON.stringify = stringify;
  }
  t.is(count, 0);
});

test('evaluate is a promise of the variants that are not defaults', async (t) => {
  const subject = client(flag('a'), flag('b', ['context', 'user', 'country']));
  t.deepEqual(Object.keys(await subject.evaluate(yes)), ['a']);
  await t.throwsAsync(subject.evaluate(undefined), { instanceOf: TypeError });
});

test('everything works where code must not be generated from strings', (t) => {
  const script = `
    const { LocalEvaluationClient } = require(${JSON.stringify(path.join(__dirname, '..'))});
    const bootstrap = { a: ${JSON.stringify(flag('a'))} };
    const client = new LocalEvaluationClient('server-key', { bootstrap });
    let last;
    for (let i = 0; i < 20; i++) last = client.evaluateV2(${JSON.stringify(yes)});
    console.log(JSON.stringify(last));
  `;
  const output = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '-e', script]);
  t.deepEqual(JSON.parse(String(output)), JSON.parse(JSON.stringify(client(flag('a')).evaluateV2(yes))));
});
