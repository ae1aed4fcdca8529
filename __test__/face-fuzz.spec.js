'use strict';

/** A short run of `npm run fuzz:face`, and what its long runs have found. */

const { spawn } = require('node:child_process');
const path = require('node:path');
const test = require('ava');
const { LocalEvaluationClient, RemoteEvaluationClient, AmplitudeCookie } = require('..');

const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };
const quiet = { loggerProvider: silent, logLevel: 0 };

test('whatever the face is called with, it answers or throws as JavaScript does', async (t) => {
  const script = path.join(__dirname, '..', 'scripts', 'fuzz-face.js');
  const child = spawn(process.execPath, [script, '--calls', '3000']);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece));
  const [code, signal] = await new Promise((resolve) => child.once('close', (...end) => resolve(end)));
  t.deepEqual([code, signal], [0, null], text);
  t.regex(text, /seed \d+/);
});

test('ids of cohorts that are no strings are names of properties, and symbols name none', (t) => {
  const { cohortStorage } = new LocalEvaluationClient('key', quiet);
  cohortStorage.put({ cohortId: 7, groupType: 'User', size: '3', memberIds: new Set(['a']) });
  t.deepEqual([...cohortStorage.getAllCohortIds()], ['7']);
  t.true(cohortStorage.getCohort(7).memberIds.has('a'));
  t.is(cohortStorage.getCohort(undefined), undefined);
  t.is(cohortStorage.getCohort(Symbol('s')), undefined);
  t.deepEqual([...cohortStorage.getCohortsForUser('a', new Set(['7', 8, null]))], ['7']);
  t.deepEqual([...cohortStorage.getCohortsForGroup(null, 'a', new Set(['7']))], []);
  cohortStorage.delete(undefined);
  cohortStorage.delete(7);
  t.is(cohortStorage.getAllCohortIds().size, 0);
});

test('flag keys with holes and of any type select what they name', (t) => {
  const bootstrap = {
    undefined: {
      key: 'undefined',
      variants: { on: { key: 'on', value: 'on' } },
      segments: [{ variant: 'on' }],
    },
  };
  const client = new LocalEvaluationClient('key', { ...quiet, bootstrap });
  t.deepEqual(Object.keys(client.evaluateV2({}, new Array(2))), ['undefined']);
  t.deepEqual(client.evaluateV2({}, [Symbol('s'), 5, null]), {});
});

test('a text is no map of flags, however long it is', async (t) => {
  const client = new LocalEvaluationClient('key', quiet);
  await client.cache.putAll('x'.repeat(2 ** 22));
  t.deepEqual(await client.cache.getAll(), {});
  t.deepEqual(client.evaluateV2({}), {});
});

test('a bootstrap that is no map of flags has none', (t) => {
  for (const bootstrap of [5, 'text', true, Symbol('s'), () => {}, { toJSON: () => 'text' }]) {
    t.deepEqual(new LocalEvaluationClient('key', { ...quiet, bootstrap }).evaluateV2({ user_id: 'u' }), {});
  }
});

test('a user that becomes nothing as JSON is refused', async (t) => {
  const client = new RemoteEvaluationClient('key', { ...quiet, fetchTimeoutMillis: 0, fetchRetries: 0 });
  await t.throwsAsync(client.fetchV2({ toJSON() {} }), {
    instanceOf: TypeError,
    message: /cannot be written/,
  });
});

test('a key too short for a cookie is refused with a code', (t) => {
  const error = t.throws(() => AmplitudeCookie.cookieName('x'));
  t.is(error.message, 'Invalid Amplitude API Key');
  t.is(error.code, 'ERR_EXPERIMENT_COOKIE_KEY');
});
