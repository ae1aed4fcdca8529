'use strict';

/**
 * Users whose cohorts are written in before they are evaluated, as upstream does always, and this package where flags read whole
 * objects, where a caller has replaced a part of it, and where an id is inherited.
 */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { flag, members, silent, USER_COHORTS } = require('./support/outcome');

const ORG_COHORTS = ['context', 'groups', 'org', 'cohort_ids'];
const cohort = (cohortId, groupType, ...ids) => ({
  cohortId,
  groupType,
  groupTypeId: 0,
  lastComputed: 1,
  lastModified: 1,
  size: ids.length,
  memberIds: new Set(ids),
});
const inCohort = (key, id, selector = USER_COHORTS) => flag(key, { segments: [members(selector, [id])] });
/** A flag that reads the user as a whole. */
const wide = flag('wide', { segments: [members(['context', 'user'], ['"c1"'], 'contains')] });
const asMap = (list) => Object.fromEntries(list.map((item) => [item.key, structuredClone(item)]));
/** What both packages make of the same, upstream first. */
const both = (make) => [upstream, ours].map(make);
/** A server's answers, as an HTTP client. */
const answering = (list) => ({
  request: async (url) => ({ status: 200, body: url.includes('/flags') ? JSON.stringify(list()) : '{}' }),
});

test('the first flag that reads whole users finds their cohorts in them, right after the update that brings it', async (t) => {
  const list = [inCohort('f', 'c1'), wide];
  const client = new ours.LocalEvaluationClient(
    'k',
    { bootstrap: asMap([list[0]]), loggerProvider: silent, flagConfigPollingIntervalMillis: 100_000 },
    undefined,
    answering(() => list),
  );
  t.teardown(() => client.stop());
  client.cohortStorage.put(cohort('c1', 'User', 'u'));
  t.deepEqual(Object.keys(client.evaluateV2({ user_id: 'u' })), ['f']);
  await client.start();
  client.cohortStorage.put(cohort('c1', 'User', 'u'));
  t.deepEqual(Object.keys(client.evaluateV2({ user_id: 'u' })).sort(), ['f', 'wide']);
});

for (const [name, change] of [
  ['with a flag that reads whole users', (list) => void list.push(wide)],
  [
    'with a client that enriches users in its own way',
    (_, client) => {
      const { enrichUserWithCohorts } = client;
      client.enrichUserWithCohorts = (...given) => enrichUserWithCohorts.apply(client, given);
    },
  ],
]) {
  test(`${name}: while many flags take over, none is evaluated by cohorts of others`, async (t) => {
    const many = (version) =>
      Array.from({ length: 400 }, (_, i) =>
        flag(`m${i}`, {
          variants: { on: { key: 'on', value: `${version} ${i}`, payload: { [`k${i}`]: version } } },
        }),
      );
    const common = [];
    let list;
    const client = new ours.LocalEvaluationClient(
      'k',
      { loggerProvider: silent, flagConfigPollingIntervalMillis: 50 },
      undefined,
      answering(() => list),
    );
    t.teardown(() => client.stop());
    change(common, client);
    list = [...many('old'), ...common, inCohort('f', 'c1')];
    await client.start();
    client.cohortStorage.put(cohort('c1', 'User', 'u'));
    const seen = new Set();
    const look = () => {
      const variants = client.evaluateV2({ user_id: 'u' });
      seen.add(`${variants.m0.value}, ${variants.f ? 'in' : 'out'}`);
    };
    for (let i = 0; i < 10; i++) look();
    list = [...many('new'), ...common];
    for (let i = 0; i < 2000 && !seen.has('new 0, out'); i++) {
      look();
      await new Promise((done) => setTimeout(done, 1));
    }
    t.deepEqual([...seen], ['old 0, in', 'new 0, out']);
  });
}

test('flags that are edited in place and put again are asked for the cohorts that they name then', async (t) => {
  const answers = await Promise.all(
    both(async ({ LocalEvaluationClient }) => {
      const client = new LocalEvaluationClient('k', { bootstrap: {}, loggerProvider: silent });
      const edited = inCohort('f', 'c1');
      await client.cache.put('wide', wide);
      await client.cache.put('f', edited);
      client.cohortStorage.put(cohort('c1', 'User', 'other'));
      client.cohortStorage.put(cohort('c2', 'User', 'u'));
      const before = Object.keys(client.evaluateV2({ user_id: 'u' }));
      edited.segments[0].conditions[0][0].values = ['c2'];
      await client.cache.put('f', edited);
      return [before, Object.keys(client.evaluateV2({ user_id: 'u' }))];
    }),
  );
  t.deepEqual(answers[1], answers[0]);
  t.deepEqual(answers[1], [[], ['f']]);
});

test('enriching a user by flags of the caller reads them as they are at the time', (t) => {
  for (const { LocalEvaluationClient } of [upstream, ours]) {
    const client = new LocalEvaluationClient('k', { bootstrap: {}, loggerProvider: silent });
    client.cohortStorage.put(cohort('c2', 'User', 'u'));
    const edited = inCohort('f', 'c1');
    const user = { user_id: 'u' };
    client.enrichUserWithCohorts(user, { f: edited });
    t.deepEqual(user.cohort_ids, []);
    edited.segments[0].conditions[0][0].values = ['c2'];
    client.enrichUserWithCohorts(user, { f: edited });
    t.deepEqual(user.cohort_ids, ['c2']);
  }
});

class Person {
  get user_id() {
    return 'u';
  }

  get groups() {
    return { org: ['acme'] };
  }

  get group_properties() {
    return { org: { acme: { plan: 'pro' } } };
  }
}

test('inherited ids and groups count as upstream has them: for cohorts and groups, not for conditions on the id', (t) => {
  const list = [
    inCohort('user cohort', 'c1'),
    inCohort('group cohort', 'g1', ORG_COHORTS),
    flag('group', { segments: [members(['context', 'groups', 'org', 'group_name'], ['acme'], 'is')] }),
    flag('plan', {
      segments: [members(['context', 'groups', 'org', 'group_properties', 'plan'], ['pro'], 'is')],
    }),
    flag('id', { segments: [members(['context', 'user', 'user_id'], ['u'], 'is')] }),
  ];
  const own = { user_id: 'u' };
  for (const flags of [list, [...list, wide]]) {
    for (const make of [
      () => new Person(),
      () => Object.assign(Object.create(Person.prototype, { user_id: { value: 'u', enumerable: true } })),
      () => Object.create({ ...own, groups: { org: ['acme'] } }),
      () => Object.create(own),
      () => ({ ...own, groups: { org: { 0: 'acme' } } }),
      () => ({ ...own, groups: { org: ['acme'] }, group_properties: { org: { acme: 'abc' } } }),
      () => ({ ...own, groups: Object.assign(() => {}, { org: ['acme'] }) }),
    ]) {
      const answers = both(({ LocalEvaluationClient }) => {
        const client = new LocalEvaluationClient('k', { bootstrap: asMap(flags), loggerProvider: silent });
        client.cohortStorage.put(cohort('c1', 'User', 'u'));
        client.cohortStorage.put(cohort('g1', 'org', 'acme'));
        return [1, 2].map(() => Object.keys(client.evaluateV2(make())));
      });
      t.deepEqual(answers[1], answers[0], `${make}`);
      t.true(answers[0][0].length > 0, `${make}`);
    }
  }
});

test('parts of a client that a caller has replaced are asked', async (t) => {
  for (const { LocalEvaluationClient } of [upstream, ours]) {
    for (const method of ['getCohortsForUser', 'getCohortsForGroup']) {
      const bootstrap = asMap([inCohort('f', 'c1'), inCohort('g', 'g1', ORG_COHORTS)]);
      const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
      const user = () => ({ user_id: 'u', groups: { org: ['acme'] } });
      t.deepEqual(client.evaluateV2(user()), {});
      client.cohortStorage[method] = (...given) => given.at(-1);
      // Upstream's looks users up as a group of their own.
      const found = Object.keys(client.evaluateV2(user()));
      t.true(found.includes(method === 'getCohortsForUser' ? 'f' : 'g'), method);
    }
    const client = new LocalEvaluationClient('k', { bootstrap: asMap([flag('f')]), loggerProvider: silent });
    client.evaluateV2 = () => ({ mine: { key: 'on' }, off: { key: 'off', metadata: { default: true } } });
    t.deepEqual(await client.evaluate({}), { mine: { key: 'on' } });
  }
});

test('of flags with one key, evaluate leaves out what the last of them has as its default', async (t) => {
  const off = { off: { key: 'off', metadata: { default: true } } };
  const bootstrap = { x: flag('k'), y: flag('k', { variants: off, segments: [{ variant: 'off' }] }) };
  for (const { LocalEvaluationClient } of [upstream, ours]) {
    const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent });
    t.is(client.evaluateV2({}).k.key, 'off');
    t.deepEqual(await client.evaluate({}), {});
  }
});

test('an update that is the same as the last one puts back what was written meanwhile', async (t) => {
  let polls = 0;
  const http = {
    request: async () => {
      polls++;
      return { status: 200, body: JSON.stringify([flag('a')]) };
    },
  };
  const config = { loggerProvider: silent, flagConfigPollingIntervalMillis: 50 };
  const client = new ours.LocalEvaluationClient('k', config, undefined, http);
  t.teardown(() => client.stop());
  await client.start();
  for (const write of [() => client.cache.put('x', flag('x')), () => client.cache.clear()]) {
    await write();
    const next = polls + 2;
    while (polls < next) await new Promise((done) => setTimeout(done, 5));
    t.deepEqual(Object.keys(client.evaluateV2({})), ['a']);
  }
});

test('evaluations within the enriching of a user leave how it is evaluated alone', (t) => {
  const answers = both(({ LocalEvaluationClient }) => {
    const nest = (client) => client.evaluateV2({ user_id: 'other' });
    const client = new LocalEvaluationClient('k', {
      bootstrap: asMap([inCohort('f', 'c1'), wide]),
      loggerProvider: silent,
    });
    client.cohortStorage.put(cohort('c1', 'User', 'u'));
    let runs = 0;
    const user = {
      user_id: 'u',
      get country() {
        if (runs++ < 100) nest(client);
        return 'x';
      },
    };
    const ofGetter = Object.keys(client.evaluateV2(user));
    t.true(runs < 100);
    const own = new LocalEvaluationClient('k', {
      bootstrap: asMap([inCohort('f', 'c9')]),
      loggerProvider: silent,
    });
    let isInside = false;
    own.enrichUserWithCohorts = (enriched) => {
      if (!isInside) {
        isInside = true;
        nest(own);
        isInside = false;
      }
      enriched.cohort_ids = ['c9'];
    };
    return [ofGetter, Object.keys(own.evaluateV2({ user_id: 'u' }))];
  });
  t.deepEqual(answers[1], answers[0]);
  t.deepEqual(answers[1], [['f', 'wide'], ['f']]);
});

test('flags that are put one by one into a client that has started cost no more than their number', async (t) => {
  const list = Array.from({ length: 300 }, (_, i) => flag(`f${i}`));
  const time = async (client) => {
    const start = process.hrtime.bigint();
    for (const item of list) await client.cache.put(item.key, item);
    return Number(process.hrtime.bigint() - start) / 1e6;
  };
  const config = { loggerProvider: silent, flagConfigPollingIntervalMillis: 100_000 };
  const client = new ours.LocalEvaluationClient(
    'k',
    config,
    undefined,
    answering(() => list),
  );
  t.teardown(() => client.stop());
  await client.start();
  const started = await time(client);
  // Compiling all of them each time takes some seconds.
  t.true(started < 1000, `${started} ms`);
  t.is(Object.keys(client.evaluateV2({})).length, 300);
});
