'use strict';

/**
 * What upstream's own tests ask of a local client, against a deployment that is laid out as theirs: variants by every way of
 * calling, dependencies, holdouts, cohorts of users and groups, both zones, streams, exposures.
 */

const test = require('ava');
const ours = require('..');
const { Emulator } = require('../emulator');
const { silent, recording, flag, members, USER_COHORTS } = require('./support/outcome');

const ON_OFF = {
  on: { key: 'on', value: 'on', payload: 'payload' },
  off: { key: 'off', metadata: { default: true } },
};

const is = (selector, ...values) => ({ selector, op: 'is', values });
const OFF = { variant: 'off', metadata: { segmentName: 'All Other Users' } };
const groupCohorts = (type) => ['context', 'groups', type, 'cohort_ids'];

const FLAGS = [
  flag('sdk-local-evaluation-ci-test', {
    variants: ON_OFF,
    segments: [{ conditions: [[is(['context', 'user', 'user_id'], 'test_user')]], variant: 'on' }, OFF],
  }),
  flag('parent', { variants: { open: { key: 'open', value: 'open' } }, segments: [{ variant: 'open' }] }),
  flag('holdout', {
    variants: { held: { key: 'held', value: 'held' } },
    segments: [{ variant: 'held' }],
  }),
  flag('sdk-ci-local-dependencies-test', {
    variants: { control: { key: 'control', value: 'control' }, off: ON_OFF.off },
    dependencies: ['parent', 'holdout'],
    segments: [{ conditions: [[is(['result', 'parent', 'key'], 'open')]], variant: 'control' }, OFF],
  }),
  flag('sdk-ci-local-dependencies-test-holdout', {
    variants: { control: { key: 'control', value: 'control' }, off: ON_OFF.off },
    dependencies: ['holdout'],
    segments: [{ conditions: [[is(['result', 'holdout', 'key'], 'open')]], variant: 'control' }, OFF],
  }),
  flag('sdk-local-evaluation-user-cohort-ci-test', {
    variants: ON_OFF,
    segments: [members(USER_COHORTS, ['users']), OFF],
  }),
  flag('sdk-local-evaluation-group-cohort-ci-test', {
    variants: ON_OFF,
    segments: [
      members(groupCohorts('org id'), ['org-ids']),
      members(groupCohorts('org name'), ['org-names']),
      OFF,
    ],
  }),
];

const COHORTS = [
  { cohortId: 'users', groupType: 'User', lastModified: 1, memberIds: ['12345', '1'] },
  { cohortId: 'org-ids', groupType: 'org id', lastModified: 1, memberIds: ['1'] },
  {
    cohortId: 'org-names',
    groupType: 'org name',
    lastModified: 1,
    memberIds: ['Amplitude Website (Portfolio)'],
  },
];

const USER_FLAG = 'sdk-local-evaluation-user-cohort-ci-test';
const GROUP_FLAG = 'sdk-local-evaluation-group-cohort-ci-test';

async function deployment(t, world = {}) {
  const emulator = await Emulator.start({
    deploymentKey: 'server-key',
    apiKey: 'api',
    secretKey: 'secret',
    flags: FLAGS,
    cohorts: COHORTS,
    ...world,
  });
  t.teardown(() => emulator.close());
  return emulator;
}

async function started(t, emulator, config = {}) {
  const client = new ours.LocalEvaluationClient('server-key', {
    serverUrl: emulator.url,
    loggerProvider: silent,
    cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: emulator.url },
    ...config,
  });
  t.teardown(() => client.stop());
  await client.start();
  return client;
}

async function until(check) {
  for (let i = 0; i < 1000; i++) {
    if (check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

/** How upstream's tests configure a client, and whether it comes to know cohorts. */
const CONFIGURATIONS = {
  'with cohorts': [{}, true],
  'without cohorts': [{ cohortSyncConfig: undefined }, false],
  'with cohorts that are refused': [{ cohortSyncConfig: { apiKey: 'bad', secretKey: 'bad' } }, false],
};

for (const [name, [config, hasCohorts]] of Object.entries(CONFIGURATIONS)) {
  for (const method of ['evaluate', 'evaluateV2']) {
    const prepared = async (t) => {
      const emulator = await deployment(t);
      const { cohortSyncConfig } = config;
      const own = cohortSyncConfig && {
        cohortSyncConfig: { ...cohortSyncConfig, cohortServerUrl: emulator.url },
      };
      return started(t, emulator, { ...config, ...own });
    };

    test(`${method}, ${name}: all flags, one flag, a flag that is not there`, async (t) => {
      const client = await prepared(t);
      const key = 'sdk-local-evaluation-ci-test';
      for (const keys of [undefined, [key]]) {
        const { [key]: variant } = await client[method]({ user_id: 'test_user' }, keys);
        t.like(variant, { key: 'on', value: 'on', payload: 'payload' });
      }
      const variants = await client[method]({ user_id: 'test_user' }, ['nothing', key]);
      t.deepEqual(Object.keys(variants), [key]);
    });

    test(`${method}, ${name}: dependencies, and being held out`, async (t) => {
      const client = await prepared(t);
      const user = { user_id: 'user_id', device_id: 'device_id' };
      const key = 'sdk-ci-local-dependencies-test';
      for (const keys of [undefined, [key]]) {
        t.like((await client[method](user, keys))[key], { key: 'control', value: 'control' });
      }
      const held = (await client[method](user))[`${key}-holdout`];
      if (method === 'evaluate') t.is(held, undefined);
      else t.like(held, { key: 'off', value: undefined });
      t.truthy(await client.cache.get(`${key}-holdout`));
    });

    test(`${method}, ${name}: cohorts of users and of groups`, async (t) => {
      const client = await prepared(t);
      const expect = async (user, key, on) => {
        const { [key]: variant } = await client[method](user);
        if (on && hasCohorts) t.like(variant, { key: 'on', value: 'on' }, JSON.stringify(user));
        else t.is(variant && variant.key, method === 'evaluate' ? undefined : 'off', JSON.stringify(user));
      };
      const stranger = { user_id: '2333', groups: { 'org name': ['Amplitude Inc sth sth sth'] } };
      await expect(stranger, USER_FLAG, false);
      await expect(stranger, GROUP_FLAG, false);
      for (const user_id of ['12345', '1']) await expect({ user_id }, USER_FLAG, true);
      await expect({ user_id: '2333', groups: { 'org id': ['1'] } }, GROUP_FLAG, true);
      await expect({ groups: { 'org name': ['Amplitude Website (Portfolio)'] } }, GROUP_FLAG, true);
      await expect({ groups: { 'org name': ['1'] } }, GROUP_FLAG, false);
    });
  }
}

test('an eu client evaluates as any other, and has its own hosts', async (t) => {
  const client = await started(t, await deployment(t), { serverZone: 'eu' });
  for (const method of ['evaluate', 'evaluateV2']) {
    const variants = await client[method]({ user_id: 'test_user' });
    t.like(variants['sdk-local-evaluation-ci-test'], { key: 'on', value: 'on' });
  }
  t.is(client.evaluateV2({ user_id: '1' })[USER_FLAG].key, 'on');
  t.like(client.evaluateV2({ user_id: '666' })[USER_FLAG], { key: 'off', value: undefined });
  const { config } = new ours.LocalEvaluationClient('k', {
    serverZone: 'eu',
    cohortSyncConfig: { apiKey: 'a', secretKey: 's' },
  });
  t.like(config, {
    serverUrl: 'https://flag.lab.eu.amplitude.com',
    streamServerUrl: 'https://stream.lab.eu.amplitude.com',
    cohortSyncConfig: { cohortServerUrl: 'https://cohort-v2.lab.eu.amplitude.com' },
  });
});

test('what streams is what is fetched, and an edit is there with its payload and version', async (t) => {
  const edited = (payload, flagVersion) =>
    flag('sdk-ci-stream-flag-test', {
      variants: { on: { key: 'on', value: 'on', payload } },
      metadata: { flagVersion },
    });
  const emulator = await deployment(t, { flags: [...FLAGS, edited('first', 1)] });
  const streaming = await started(t, emulator, { streamUpdates: true, streamServerUrl: emulator.url });
  const polling = await started(t, emulator);
  t.deepEqual(streaming.cache.getAllCached(), polling.cache.getAllCached());
  emulator.setFlags([...FLAGS, edited('second', 2)]);
  const variant = () => streaming.evaluateV2({})['sdk-ci-stream-flag-test'];
  t.true(await until(() => variant().payload === 'second'));
  t.is(variant().metadata.flagVersion, 2);
  t.is(emulator.requestsTo('stream').length, 1);
});

test('cohorts that are too large cost nothing but themselves', async (t) => {
  const emulator = await deployment(t);
  const { lines, provider } = recording();
  const client = await started(t, emulator, {
    loggerProvider: provider,
    cohortSyncConfig: {
      apiKey: 'api',
      secretKey: 'secret',
      cohortServerUrl: emulator.url,
      maxCohortSize: 0,
    },
  });
  t.is(client.evaluateV2({ user_id: '1' })[USER_FLAG].key, 'off');
  t.is(client.evaluateV2({ user_id: 'test_user' })['sdk-local-evaluation-ci-test'].key, 'on');
  t.deepEqual(
    lines
      .filter(([level, message]) => level === 'error' && /download failed/.test(message))
      .map(([, message]) => message)
      .sort(),
    COHORTS.map(({ cohortId }) => `[Experiment] Cohort download failed ${cohortId}`).sort(),
  );
});

test('cohorts that fail at the start are there once they can be had, with flags that came meanwhile', async (t) => {
  const emulator = await deployment(t);
  let down = true;
  emulator.fail('cohort', () => (down ? { kind: 'status', status: 500 } : undefined));
  const client = await started(t, emulator, { flagConfigPollingIntervalMillis: 50 });
  t.is(client.evaluateV2({ user_id: '1' })[USER_FLAG].key, 'off');
  emulator.setFlags([...FLAGS, flag('flag5')]);
  t.true(await until(() => 'flag5' in client.evaluateV2({})));
  t.is(client.evaluateV2({ user_id: '1' })[USER_FLAG].key, 'off');
  down = false;
  // An update under way may have given up on one of them already, and get the other.
  const keys = () => [
    client.evaluateV2({ user_id: '1' })[USER_FLAG].key,
    client.evaluateV2({ groups: { 'org id': ['1'] } })[GROUP_FLAG].key,
  ];
  t.true(await until(() => keys().join() === 'on,on'));
});

test('enrichUserWithCohorts writes the cohorts of the user and of its groups, those that are stored', (t) => {
  class Open extends ours.LocalEvaluationClient {
    enrich(user, flags) {
      this.enrichUserWithCohorts(user, flags);
      return user;
    }
  }
  const client = new Open('key', { loggerProvider: silent });
  const put = (cohortId, groupType, member) =>
    client.cohortStorage.put({
      cohortId,
      groupType,
      groupTypeId: 0,
      lastComputed: 0,
      lastModified: 0,
      size: 1,
      memberIds: new Set([member]),
    });
  put('cohort1', 'User', 'userId');
  put('groupcohort1', 'groupname', 'amplitude');
  const flags = {
    flag1: flag('flag1', { segments: [members(USER_COHORTS, ['cohort1', 'groupcohortnotinstorage'])] }),
    flag2: flag('flag2', {
      segments: [members(groupCohorts('groupname'), ['groupcohort1', 'groupcohortnotinstorage'])],
    }),
  };
  t.deepEqual(client.enrich({ user_id: 'userId', groups: { groupname: ['amplitude'] } }, flags), {
    user_id: 'userId',
    groups: { groupname: ['amplitude'] },
    cohort_ids: ['cohort1'],
    group_cohort_ids: { groupname: { amplitude: ['groupcohort1'] } },
  });
});

test('each variant that is no default is one exposure, with its flag and its user', async (t) => {
  const emulator = await deployment(t);
  const client = await started(t, emulator, {
    exposureConfig: { apiKey: 'api', serverUrl: `${emulator.url}/2/httpapi`, loggerProvider: quiet },
  });
  const user = { user_id: 'test_user', device_id: 'device' };
  const variants = client.evaluateV2(user, undefined, { tracksExposure: true });
  await client.flush();
  const exposed = Object.keys(variants).filter((key) => !(variants[key].metadata || {}).default);
  const events = emulator.events();
  t.true(exposed.length > 2);
  t.deepEqual(events.map((event) => event.event_properties['[Experiment] Flag Key']).sort(), exposed.sort());
  for (const event of events) t.like(event, { event_type: '[Experiment] Exposure', ...user });
});

const quiet = { enable() {}, disable() {}, log() {}, warn() {}, error() {}, debug() {} };

test('the context holds the user, its first groups, their properties and cohorts', (t) => {
  const users = [
    {
      groups: { a: ['x', 'y'], b: [], c: [''], d: ['z'] },
      group_properties: { a: { x: { p: 1 }, y: { p: 2 } }, d: { z: {} } },
      group_cohort_ids: { a: { x: ['c'] } },
      user_id: 'u',
    },
    { group_properties: { a: { x: { p: 1 } } } },
    { groups: { org: 'acme' } },
    { user_id: 'u', device_id: 'd', user_properties: { k: 'v' }, country: undefined, os: null },
    { groups: { org: ['acme'] } },
    { cohort_ids: ['c1'] },
    {},
  ];
  const contexts = [
    {
      user: { user_id: 'u' },
      groups: {
        a: { group_name: 'x', group_properties: { p: 1 }, cohort_ids: ['c'] },
        d: { group_name: 'z' },
      },
    },
    {},
    { groups: { org: { group_name: 'a' } } },
    { user: { user_id: 'u', device_id: 'd', user_properties: { k: 'v' }, os: null } },
    { groups: { org: { group_name: 'acme' } } },
    { user: { cohort_ids: ['c1'] } },
    {},
  ];
  users.forEach((user, i) => {
    const a = flag('a', {
      segments: [{ conditions: [[is(['context'], JSON.stringify(contexts[i]))]], variant: 'on' }],
    });
    for (const module of [ours, require('@amplitude/experiment-node-server')]) {
      const client = new module.LocalEvaluationClient('k', { bootstrap: { a }, loggerProvider: silent });
      t.is((client.evaluateV2(structuredClone(user)).a || {}).key, 'on', JSON.stringify(user));
    }
  });
});
