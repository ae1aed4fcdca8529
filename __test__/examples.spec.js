'use strict';

/** The examples, as people run them. */

const test = require('ava');
const { AmplitudeCookie, LocalEvaluationClient, RemoteEvaluationClient } = require('..');
const { Emulator } = require('../emulator');
const { createApp } = require('../examples/express/app');
const world = require('../examples/quickstart/flags.json');
const { run } = require('./support/process');
const { ask } = require('./support/wire');

const COOKIE = AmplitudeCookie.cookieName(world.apiKey, true);

/** The Express application on a port, with the clients and the emulator behind it. */
async function shop(t) {
  const emulator = await Emulator.start(world);
  const { url } = emulator;
  const cohortSyncConfig = { apiKey: world.apiKey, secretKey: world.secretKey, cohortServerUrl: url };
  const quiet = { serverUrl: url, logLevel: 0 };
  const local = new LocalEvaluationClient(world.deploymentKey, { ...quiet, cohortSyncConfig });
  const remote = new RemoteEvaluationClient(world.deploymentKey, { ...quiet, fetchRetries: 0 });
  await local.start();
  const app = createApp({ local, remote, apiKey: world.apiKey });
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  t.teardown(async () => {
    server.close();
    local.stop();
    await emulator.close();
  });
  const get = (target, headers) => ask(`http://127.0.0.1:${server.address().port}${target}`, { headers });
  return { emulator, get };
}

/** The cookie of a browser that Amplitude's browser SDK has seen. */
function cookieOf(deviceId, userId) {
  const state = { deviceId, ...(userId && { userId }) };
  return {
    Cookie: `other=1; ${COOKIE}=${Buffer.from(encodeURIComponent(JSON.stringify(state))).toString('base64')}; last=x`,
  };
}

test('the quick start runs from flags to a measured evaluation, and ends', async (t) => {
  const { code, text } = await run(t, 'examples/quickstart').exit;
  t.is(code, 0, text);
  t.regex(
    text,
    /ada\n +new-checkout +treatment +because: Customers of the pro plan +payload: \{"button":"Buy now"/,
  );
  t.regex(text, /beta-reports +on +because: Beta testers/);
  t.regex(text, /"event_type": "\[Experiment\] Exposure"/);
  t.regex(text, /before: on\n +after: +off/);
  t.regex(text, /\d+\.\d\d microseconds for all 3 flags/);
});

test('the shop evaluates for the device and user of the cookie', async (t) => {
  const { get } = await shop(t);
  const { status, body, headers } = await get('/api/variants', cookieOf('device-2', 'ada'));
  t.is(status, 200);
  t.is(headers['set-cookie'], undefined);
  const { user, variants } = JSON.parse(body);
  t.deepEqual(user, { device_id: 'device-2', user_id: 'ada', user_properties: {} });
  t.is(variants['beta-reports'].key, 'on');
  t.is(variants['new-checkout'].key, 'control');
  const anonymous = JSON.parse((await get('/api/variants', cookieOf('device-2'))).body);
  t.deepEqual(anonymous.user, { device_id: 'device-2', user_properties: {} });
  t.is(anonymous.variants['beta-reports'].key, 'off');
});

test('the shop gives a visitor a device that stays the same', async (t) => {
  const { get } = await shop(t);
  const first = await get('/api/variants');
  const [setCookie] = first.headers['set-cookie'];
  const deviceId = JSON.parse(first.body).user.device_id;
  t.regex(setCookie, new RegExp(`^${COOKIE}=.*Max-Age=`));
  const again = await get('/api/variants', { Cookie: setCookie.split(';')[0] });
  t.is(JSON.parse(again.body).user.device_id, deviceId);
  t.is(again.headers['set-cookie'], undefined);
  const broken = await get('/api/variants', { Cookie: `${COOKIE}=%E0%A4%A` });
  t.is(broken.status, 200);
  t.truthy(broken.headers['set-cookie']);
});

test('the shop shows what the variant says', async (t) => {
  const { emulator, get } = await shop(t);
  t.regex((await get('/?plan=pro', cookieOf('device-2'))).body, /<button>Buy now<\/button>/);
  t.regex((await get('/', cookieOf('device-2'))).body, /<button>Continue to checkout<\/button>/);
  t.is(emulator.requestsTo('variants').length, 0, 'no request per page');
});

test('the shop asks the server on its remote route, and says so when it cannot', async (t) => {
  const { emulator, get } = await shop(t);
  const { status, body } = await get('/api/remote-variants?plan=pro', cookieOf('device-2', 'grace'));
  t.is(status, 200);
  const { variants } = JSON.parse(body);
  t.is(variants['new-checkout'].key, 'treatment');
  t.is(variants['beta-reports'].key, 'on');
  t.like(emulator.requestsTo('variants')[0].user, { user_id: 'grace', device_id: 'device-2' });
  emulator.fail('variants', { kind: 'status', status: 500 });
  const failed = await get('/api/remote-variants', cookieOf('device-2'));
  t.is(failed.status, 502);
  t.deepEqual(JSON.parse(failed.body), { error: 'variants are not available at the moment' });
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`the shop's server listens, answers, and ends properly on ${signal}`, async (t) => {
    const { child, exit, printed } = run(t, 'examples/express/server.js', '0');
    const [, url] = await printed(/listening at (http:\S+)/);
    t.is((await ask(`${url}/healthz`)).body, '{"ok":true}');
    t.is(JSON.parse((await ask(`${url}/api/remote-variants`)).body).variants['holiday-banner'].key, 'off');
    child.kill(signal);
    const { code, text } = await exit;
    t.is(code, 0, text);
    t.regex(text, /stopped/);
  });
}
