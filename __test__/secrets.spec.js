'use strict';

/** Keys are on the wire and nowhere else: not in log lines, errors, files, nor in what printing a client shows. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const util = require('node:util');
const test = require('ava');
const { LocalEvaluationClient, RemoteEvaluationClient } = require('..');
const { run } = require('./support/process');

const KEYS = {
  deployment: 'server-Kq3vT8mWz',
  api: 'api0Xn5cRj7Lp',
  secret: 'sec0Hd9bYf2Gs',
  tracking: 'trk0Wm4uQe6Ti',
};

/** Every form in which a key is a key. */
const forms = () => {
  const base64 = (/** @type {string} */ text) => Buffer.from(text).toString('base64').replace(/=+$/, '');
  const plain = Object.entries(KEYS);
  const encoded = plain.map(([name, key]) => [`${name}, base64`, base64(key).slice(0, -1)]);
  return [...plain, ...encoded, ['basic', base64(`${KEYS.api}:${KEYS.secret}`)]];
};

/** The forms that a text has. @param {string} text */
const found = (text) =>
  forms()
    .filter(([, form]) => text.includes(form))
    .map(([name, form]) => `${name}: ${text.slice(Math.max(0, text.indexOf(form) - 200)).slice(0, 260)}`);

test('keys are in no log line, error, print or file, whatever happens', async (t) => {
  t.timeout(300_000);
  const spool = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-secrets-'));
  t.teardown(() => fs.rmSync(spool, { recursive: true, force: true }));
  const { exit } = run(t, '__test__/support/secretive.js', spool, JSON.stringify(KEYS));
  const { code, text } = await exit;
  t.is(code, 0, text.slice(-5000));
  // All of it has happened: the keys were sent, and failures of all kinds have been told of.
  const [, ...counts] = /^sent deployment=(\d+) basic=(\d+) tracking=(\d+)$/m.exec(text) || [];
  t.true(counts.length === 3 && counts.every((count) => Number(count) > 10), String(counts));
  for (const told of [
    'Start downloading',
    'Fetch error response: status=401',
    'Flags error response: status=500',
    'Cohort client error response status 401',
    'is not valid JSON',
    'malformed flags',
    'fallback to poller',
    'ECONNREFUSED',
    'Invalid URL',
    'events dropped',
    'Invalid API key',
  ])
    t.true(text.includes(told), `nothing has said "${told}"`);
  t.deepEqual(found(text), []);
  const files = fs
    .readdirSync(spool, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath || entry.path, entry.name));
  t.true(files.length > 0);
  for (const file of files) t.deepEqual(found(file + fs.readFileSync(file, 'latin1')), []);
});

test('a client and its configuration print without keys, and hold them all the same', (t) => {
  const cohortSyncConfig = { apiKey: KEYS.api, secretKey: KEYS.secret };
  const config = { cohortSyncConfig, exposureConfig: { apiKey: KEYS.tracking }, logLevel: 0 };
  const local = new LocalEvaluationClient(KEYS.deployment, config);
  const remote = new RemoteEvaluationClient(KEYS.deployment, config);
  for (const shown of [local, remote, local.config, { deep: [remote] }]) {
    const texts = [util.inspect(shown, { depth: Infinity, showHidden: true }), util.format('%o', shown)];
    for (const text of [...texts, JSON.stringify(shown)]) {
      t.true(text.includes('***'), text);
      t.deepEqual(found(text), []);
    }
  }
  t.regex(util.inspect(remote), /^RemoteEvaluationClient \{\s+apiKey: '\*\*\*',\s+config: \{\s+debug: false/);
  t.is(remote.apiKey, KEYS.deployment);
  t.is(local.config.cohortSyncConfig, cohortSyncConfig);
  t.is(local.config.cohortSyncConfig.secretKey, KEYS.secret);
  t.is(config.exposureConfig.apiKey, KEYS.tracking);
});
