'use strict';

/** The package that we replace, against the emulator: what it asks for is understood, what it gets is accepted. */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const { Emulator } = require('../emulator');

const segment = (variant, conditions) => ({
  metadata: { segmentName: variant },
  variant,
  ...(conditions && { conditions }),
});
const variants = {
  on: { key: 'on', value: 'on', payload: { colour: 'green' } },
  off: { key: 'off', metadata: { default: true } },
};
const inCohort = (...selector) => ({ selector, op: 'set contains any', values: ['c1'] });

const flag = (key, segments, more = {}) => ({
  key,
  variants,
  segments,
  metadata: { deployed: true, evaluationMode: 'local', flagVersion: 1 },
  ...more,
});
const SIMPLE = flag('simple', [segment('on')]);
const COHORT = flag('cohort', [segment('on', [[inCohort('context', 'user', 'cohort_ids')]]), segment('off')]);

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };

async function world(t, options) {
  const emulator = await Emulator.start({
    deploymentKey: 'server-key',
    apiKey: 'api',
    secretKey: 'secret',
    flags: [SIMPLE, COHORT],
    cohorts: [{ cohortId: 'c1', memberIds: ['member'] }],
    ...options,
  });
  t.teardown(() => emulator.close());
  const { url } = emulator;
  const urls = { serverUrl: url, streamServerUrl: url, loggerProvider: silent };
  const cohortSyncConfig = { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url };
  const local = (config = {}) => {
    const client = new upstream.LocalEvaluationClient('server-key', { ...urls, cohortSyncConfig, ...config });
    t.teardown(() => client.stop());
    return client;
  };
  return { emulator, local, urls };
}

/** Resolves when something has become true; the test's own time limit bounds it. */
async function until(isTrue) {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('polls flags and downloads cohorts', async (t) => {
  const { emulator, local } = await world(t);
  const client = local({ flagConfigPollingIntervalMillis: 50 });
  await client.start();
  t.is(client.evaluateV2({ user_id: 'member' }).cohort.key, 'on');
  t.is(client.evaluateV2({ user_id: 'other' }).cohort.key, 'off');
  emulator.setFlags([flag('changed', [segment('on')])]);
  await until(() => client.evaluateV2({ user_id: 'u' }).changed);
  const [first] = emulator.requestsTo('flags');
  t.deepEqual(first.rawHeaders.slice(0, 2), [
    ['Authorization', 'Api-Key server-key'],
    ['X-Amp-Exp-Library', 'experiment-node-server/1.13.6'],
  ]);
  t.is(emulator.requestsTo('cohort').length, 1);
});

test('follows a stream, falls back to polling and reports a refused key', async (t) => {
  const { emulator, local } = await world(t);
  const client = local({ streamUpdates: true, flagConfigPollingIntervalMillis: 50 });
  await client.start();
  t.is(emulator.openStreams, 1);
  t.is(emulator.requestsTo('flags').length, 0);
  emulator.setFlag(flag('pushed', [segment('on')]));
  await until(() => client.evaluateV2({ user_id: 'u' }).pushed);
  emulator.fail('stream', { kind: 'status', status: 503 });
  emulator.dropStreams();
  await emulator.waitForRequests('flags', 2);
  t.is(emulator.openStreams, 0);
  const stranger = new upstream.LocalEvaluationClient('other-key', {
    serverUrl: emulator.url,
    loggerProvider: silent,
  });
  await t.throwsAsync(stranger.start(), { message: 'Flags error response: status=401' });
});

test('fetches variants, with tracking and flag keys in its headers', async (t) => {
  const { emulator, urls } = await world(t);
  const client = new upstream.RemoteEvaluationClient('server-key', {
    ...urls,
    fetchRetryBackoffMinMillis: 1,
  });
  emulator.fail('variants', { kind: 'status', status: 500, times: 1 });
  const fetched = await client.fetchV2(
    { user_id: 'member', city: 'Zürich' },
    { flagKeys: ['simple'], tracksExposure: true },
  );
  t.deepEqual(Object.keys(fetched), ['simple']);
  t.like(fetched.simple, { key: 'on', value: 'on', payload: { colour: 'green' } });
  const [, second] = emulator.requestsTo('variants');
  t.deepEqual(second.user, { library: 'experiment-node-server/1.13.6', user_id: 'member', city: 'Zürich' });
  t.deepEqual(second.flagKeys, ['simple']);
  t.is(second.headers['x-amp-exp-exposure-track'], 'track');
  const all = await client.fetchV2({ user_id: 'member' });
  t.is(all.cohort.key, 'on');
  emulator.setFlags([flag('other', [segment('off')])]);
  t.like(await client.fetchV2({ user_id: 'member' }), { other: { key: 'off', metadata: { default: true } } });
});

test('uploads exposures, again after a failure', async (t) => {
  const { emulator, local } = await world(t);
  const exposureConfig = {
    apiKey: 'api',
    serverUrl: `${emulator.url}/2/httpapi`,
    flushIntervalMillis: 20,
    logLevel: 0,
  };
  const client = local({
    exposureConfig,
    assignmentConfig: { ...exposureConfig, serverUrl: `${emulator.url}/batch` },
  });
  await client.start();
  emulator.fail('events', { kind: 'status', status: 500, body: { code: 500 }, times: 1 });
  client.evaluateV2({ user_id: 'u' }, ['simple'], { tracksExposure: true });
  await emulator.waitForEvents(2);
  t.like(emulator.events('events'), [{ event_type: '[Experiment] Exposure', user_id: 'u' }]);
  t.like(emulator.events('batch'), [{ event_type: '[Experiment] Assignment', user_id: 'u' }]);
  t.is(emulator.requestsTo('events').length, 2);
});
