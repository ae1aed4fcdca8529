'use strict';

/** The emulator from outside its process: control endpoint, command line, TLS. */

const fs = require('fs');
const os = require('os');
const path = require('path');
const test = require('ava');
const { Emulator } = require('../emulator');
const { run } = require('./support/process');
const { ask } = require('./support/wire');

const tls = {
  key: fs.readFileSync(path.join(__dirname, 'support', 'tls', 'key.pem')),
  cert: fs.readFileSync(path.join(__dirname, 'support', 'tls', 'cert.pem')),
};

/** An emulator and a way to use its control endpoint. */
async function controlled(t, options) {
  const emulator = await Emulator.start(options);
  t.teardown(() => emulator.close());
  const call = async (method, target, body, headers) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await ask(`${emulator.url}/emulator${target}`, { method, body: text, headers });
    return { status: answer.status, value: JSON.parse(answer.body) };
  };
  return { emulator, call };
}

/** The command line tool. */
const cli = (t, ...args) => run(t, 'emulator/cli.js', ...args);

/** A file that goes away with the test. */
function file(t, content) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'emulator-'));
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }));
  const name = path.join(folder, 'flags.json');
  fs.writeFileSync(name, content);
  return name;
}

test('the control endpoint shows what is served and what came, and is not recorded itself', async (t) => {
  const { emulator, call } = await controlled(t, {
    flags: [{ key: 'a' }],
    cohorts: [{ cohortId: 'c', memberIds: [] }],
  });
  await ask(`${emulator.url}/sdk/v2/flags`);
  await ask(`${emulator.url}/2/httpapi`, {
    method: 'POST',
    body: '{"api_key":"k","events":[{"insert_id":"1"}]}',
  });
  emulator.fail('cohort', { kind: 'status', status: 500, times: 2 });
  t.deepEqual((await call('GET', '')).value, {
    url: emulator.url,
    flags: ['a'],
    cohorts: ['c'],
    openStreams: 0,
    requests: 2,
    events: 1,
    failures: [{ endpoint: 'cohort', kind: 'status', status: 500, times: 2, left: 2 }],
  });
  const { value } = await call('GET', '/requests?endpoint=flags');
  t.deepEqual(
    value.map(({ endpoint, status }) => [endpoint, status]),
    [['flags', 200]],
  );
  t.deepEqual((await call('GET', '/events')).value, [{ insert_id: '1' }]);
  t.deepEqual((await call('DELETE', '/requests')).value, { ok: true });
  t.is(emulator.requests.length, 0);
});

test('the control endpoint changes flags and cohorts, and tells failures', async (t) => {
  const { emulator, call } = await controlled(t);
  const flags = () => ask(`${emulator.url}/sdk/v2/flags`);
  await call('PUT', '/flags', [{ key: 'a' }]);
  await call('PUT', '/flags/b%2Fc', { variants: {} });
  t.deepEqual(JSON.parse((await flags()).body), [{ key: 'a' }, { variants: {}, key: 'b/c' }]);
  await call('DELETE', '/flags/a');
  t.deepEqual((await call('GET', '/flags')).value, [{ variants: {}, key: 'b/c' }]);
  await call('PUT', '/cohorts/c1', { memberIds: ['m'] });
  t.is((await ask(`${emulator.url}/sdk/v1/cohort/c1`)).status, 200);
  await call('DELETE', '/cohorts/c1');
  t.is((await ask(`${emulator.url}/sdk/v1/cohort/c1`)).status, 404);
  await call('POST', '/fail', { endpoint: 'flags', kind: 'status', status: 503, times: 1 });
  t.deepEqual([(await flags()).status, (await flags()).status], [503, 200]);
  await call('POST', '/fail/flags', { kind: 'status', status: 500 });
  t.is((await flags()).status, 500);
  await call('DELETE', '/fail');
  t.is((await flags()).status, 200);
});

test('the control endpoint rules the streams', async (t) => {
  const { emulator, call } = await controlled(t, { flags: [] });
  const reading = ask(`${emulator.url}/sdk/stream/v1/flags`);
  await emulator.waitForStreams(1);
  await call('POST', '/streams/send', { text: 'data: now\n\n' });
  await call('POST', '/streams/silence', {});
  await call('PUT', '/flags', [{ key: 'unheard' }]);
  await call('POST', '/streams/silence', { silent: false });
  await call('PUT', '/flags', [{ key: 'heard' }]);
  await call('POST', '/streams/drop');
  t.is((await reading).body, 'data: []\n\ndata: now\n\ndata: [{"key":"heard"}]\n\n');
});

test('the control endpoint says what is wrong with a call, and does not serve browsers', async (t) => {
  const { call } = await controlled(t);
  t.is((await call('GET', '/nothing')).status, 404);
  t.is((await call('GET', '/constructor')).status, 404);
  t.is((await call('DELETE', '/flags/none')).status, 404);
  t.is((await call('POST', '/streams/dance')).status, 404);
  t.like(await call('PUT', '/flags', {}), { status: 400, value: { error: '"flags" must be an array' } });
  t.is((await call('POST', '/fail', { endpoint: 'flags', kind: 'explode' })).status, 400);
  t.is((await call('GET', '', undefined, { Origin: 'http://example.com' })).status, 403);
});

test('serves https', async (t) => {
  const emulator = await Emulator.start({ tls, flags: [{ key: 'a' }] });
  t.teardown(() => emulator.close());
  t.regex(emulator.url, /^https:/);
  const url = `${emulator.url}/sdk/v2/flags`;
  t.is((await ask(url)).error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  t.is((await ask(url, { ca: tls.cert })).body, '[{"key":"a"}]');
  emulator.fail('flags', { kind: 'reset', times: 1 });
  emulator.fail('flags', { kind: 'redirect', times: 1 });
  t.is((await ask(url, { ca: tls.cert })).error.code, 'ECONNRESET');
  t.is((await ask(url, { ca: tls.cert })).headers.location, url);
});

test('the command line serves a file, follows its changes and ends when asked to', async (t) => {
  const name = file(t, JSON.stringify({ deploymentKey: 'secret-key', flags: [{ key: 'a' }] }));
  const { child, exit, printed } = cli(t, '--port', '0', `--file=${name}`, '--watch');
  const [, url] = await printed(/at (http:\S+)/);
  const get = () => ask(`${url}/sdk/v2/flags`, { headers: { Authorization: 'Api-Key secret-key' } });
  t.is((await get()).body, '[{"key":"a"}]');
  await printed(/flags GET \/sdk\/v2\/flags 200 \d+ ms/);
  fs.writeFileSync(name, 'no json');
  await printed(/kept what was served: .*flags\.json: Unexpected token/);
  t.is((await get()).body, '[{"key":"a"}]');
  fs.writeFileSync(
    name,
    JSON.stringify({ deploymentKey: 'secret-key', flags: [{ key: 'b' }, { key: 'c' }] }),
  );
  await printed(/read .* again: 2 flags/);
  t.is((await get()).body, '[{"key":"b"},{"key":"c"}]');
  child.kill('SIGTERM');
  const { code, text } = await exit;
  t.is(code, 0);
  t.false(text.includes('secret-key'));
});

test('the command line explains itself, and what is wrong', async (t) => {
  const ends = async (...args) => cli(t, ...args).exit;
  const help = await ends('--help');
  t.is(help.code, 0);
  t.regex(help.text, /^Usage: experiment-emulator/);
  for (const [args, message] of [
    [['--prot', '1'], /unknown argument --prot/],
    [['--port', 'x'], /--port must be from 0 to 65535, not x/],
    [['--port'], /--port needs a value/],
    [['--file', '/nothing/here.json'], /here\.json: ENOENT/],
    [['--file', file(t, '{"flag":[]}')], /unknown property "flag"; known are deploymentKey/],
    [['--cert', 'x'], /--cert and --key go together/],
  ]) {
    const { code, text } = await ends(...args);
    t.is(code, 1);
    t.regex(text, message);
  }
});

test('the command line says that a port is taken', async (t) => {
  const emulator = await Emulator.start();
  t.teardown(() => emulator.close());
  const { code, text } = await cli(t, '--port', String(emulator.port)).exit;
  t.is(code, 1);
  t.regex(text, /EADDRINUSE/);
});
