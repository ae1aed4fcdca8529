'use strict';

/**
 * Proxies, certificates of a private authority and of clients: real servers, reached through the environment of a
 * process and through an agent, by polls and by streams, cohorts included.
 */

const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const test = require('ava');
const { Emulator } = require('../emulator');
const ours = require('..');
const { run } = require('./support/process');
const { startProxy, startSocksProxy, ProxyAgent } = require('./support/proxy');
const { silent, flag, members, USER_COHORTS } = require('./support/outcome');

const directory = path.join(__dirname, 'support', 'tls');
const file = (name) => path.join(directory, name);
const pem = (name) => fs.readFileSync(file(name));

const ca = pem('authority.pem');
const server = { key: pem('server.key'), cert: pem('server.pem') };
const client = { key: pem('client.key'), cert: pem('client.pem') };
const selfSigned = { key: pem('key.pem'), cert: pem('cert.pem') };

/** Of whom Ada is in the cohort, and so gets the value. */
function flagWith(value) {
  const variants = { on: { key: 'on', value } };
  return flag('flag', { variants, segments: [members(USER_COHORTS, ['c1'])] });
}

/** A world that needs flags and a cohort, over https where there is something to do that with. */
async function emulated(t, tls) {
  const emulator = await Emulator.start({
    deploymentKey: 'server-key',
    apiKey: 'api',
    secretKey: 'secret',
    flags: [flagWith('before')],
    cohorts: [{ cohortId: 'c1', memberIds: ['ada'] }],
    tls,
  });
  t.teardown(() => emulator.close());
  return emulator;
}

/** Nobody has set these where the tests run. */
const NOTHING_SET = Object.fromEntries(
  ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'ALL_PROXY']
    .flatMap((name) => [name, name.toLowerCase()])
    .concat('NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED')
    .map((name) => [name, undefined]),
);

/** Which endpoint the flags come from. */
const ENDPOINT = { poll: 'flags', stream: 'stream' };

/** A process in this environment gets the flags, their cohort, and a change of theirs. */
async function isSynced(t, emulator, url, mode, env) {
  const program = run.in(t, { ...NOTHING_SET, ...env }, '__test__/support/synced.js', url, mode);
  t.is((await program.printed(/^(before|failed.*)$/m))[0], 'before');
  emulator.setFlags([flagWith('after')]);
  await program.printed(/^after$/m);
  t.is((await program.exit).code, 0);
  t.true(emulator.requestsTo(ENDPOINT[mode]).length > 0);
  t.true(emulator.requestsTo('cohort').length > 0);
}

/** A client with this agent gets the flags, their cohort, and a change of theirs. */
async function isSyncedBy(t, emulator, url, mode, httpAgent) {
  t.teardown(() => httpAgent.destroy());
  const own = clientWith(t, url, mode, { httpAgent });
  const value = () => own.evaluateV2({ user_id: 'ada' }).flag.value;
  await own.start();
  t.is(value(), 'before');
  emulator.setFlags([flagWith('after')]);
  while (value() !== 'after') await new Promise((resolve) => setTimeout(resolve, 10));
  own.stop();
  t.true(emulator.requestsTo(ENDPOINT[mode]).length > 0);
  t.true(emulator.requestsTo('cohort').length > 0);
  if (mode === 'stream') t.is(emulator.requestsTo('flags').length, 0);
}

function clientWith(t, url, mode, config) {
  const own = new ours.LocalEvaluationClient('server-key', {
    serverUrl: url,
    streamServerUrl: url,
    streamUpdates: mode === 'stream',
    streamFlagConnTimeoutMillis: 10_000,
    flagConfigPollingIntervalMillis: 50,
    cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url },
    loggerProvider: silent,
    ...config,
  });
  t.teardown(() => own.stop());
  return own;
}

/** An agent that knows how many connections it has made. */
class CountingAgent extends https.Agent {
  created = 0;

  createConnection(...args) {
    this.created++;
    return super.createConnection(...args);
  }
}

for (const mode of ['poll', 'stream']) {
  test(`${mode}: HTTPS_PROXY is gone through, and NODE_EXTRA_CA_CERTS trusted`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startProxy(t, emulator.port);
    const env = { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: file('authority.pem') };
    await isSynced(t, emulator, 'https://flags.test', mode, env);
    t.true(proxy.asked.every((what) => what === 'CONNECT flags.test:443'));
  });

  test(`${mode}: a proxy is told who asks`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startProxy(t, emulator.port, `Basic ${Buffer.from('ada:secret').toString('base64')}`);
    const env = {
      https_proxy: proxy.url.replace('//', '//ada:secret@'),
      NODE_EXTRA_CA_CERTS: file('authority.pem'),
    };
    await isSynced(t, emulator, 'https://flags.test', mode, env);
  });

  test(`${mode}: HTTP_PROXY is gone through for plain http`, async (t) => {
    const emulator = await emulated(t);
    const proxy = await startProxy(t, emulator.port);
    await isSynced(t, emulator, 'http://flags.test', mode, { http_proxy: proxy.url });
    t.true(proxy.asked.length > 1);
    t.true(proxy.asked.every((what) => /(GET http:\/\/|CONNECT )flags\.test/.test(what)));
  });

  test(`${mode}: ALL_PROXY may be a SOCKS proxy, which is given the name`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startSocksProxy(t, emulator.port);
    const env = { ALL_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: file('authority.pem') };
    await isSynced(t, emulator, 'https://flags.test', mode, env);
    t.true(proxy.asked.length > 0);
    t.true(proxy.asked.every((what) => what === 'flags.test:443'));
  });

  test(`${mode}: NO_PROXY leads around it`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startProxy(t, emulator.port);
    const env = {
      HTTPS_PROXY: proxy.url,
      NO_PROXY: '127.0.0.1',
      NODE_EXTRA_CA_CERTS: file('authority.pem'),
    };
    await isSynced(t, emulator, emulator.url, mode, env);
    t.deepEqual(proxy.asked, []);
  });

  test(`${mode}: an agent goes through a proxy of its own`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startProxy(t, emulator.port);
    await isSyncedBy(t, emulator, 'https://flags.test', mode, new ProxyAgent(proxy.port, { ca }));
    t.true(proxy.asked.length > 0);
    t.true(proxy.asked.every((what) => what === 'CONNECT flags.test:443'));
  });

  test(`${mode}: an agent brings its own authority, and keeps connections`, async (t) => {
    const emulator = await emulated(t, server);
    const agent = new CountingAgent({ ca, keepAlive: true });
    await isSyncedBy(t, emulator, emulator.url, mode, agent);
    // A stream keeps the one it has; the cohort is asked for over that of the first poll.
    if (mode === 'poll') t.true(agent.created < emulator.requests.length);
    else t.is(agent.created, 2);
  });

  test(`${mode}: an agent brings the certificate that a server asks of its clients`, async (t) => {
    const emulator = await emulated(t, { ...server, ca, requestCert: true, rejectUnauthorized: true });
    const stranger = clientWith(t, emulator.url, mode, { httpAgent: new https.Agent({ ca }) });
    await t.throwsAsync(stranger.start());
    stranger.stop();
    t.is(emulator.requests.length, 0, 'no request comes without a certificate');
    await isSyncedBy(t, emulator, emulator.url, mode, new https.Agent({ ca, ...client }));
  });

  test(`${mode}: a server that nobody vouches for is refused, and receives no request`, async (t) => {
    const emulator = await emulated(t, selfSigned);
    const program = run.in(t, NOTHING_SET, '__test__/support/synced.js', emulator.url, mode);
    t.is((await program.printed(/^(before|failed.*)$/m))[0], 'failed DEPTH_ZERO_SELF_SIGNED_CERT');
    const error = await t.throwsAsync(
      clientWith(t, emulator.url, mode, { httpAgent: new https.Agent() }).start(),
    );
    t.is(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    t.is(emulator.requests.length, 0);
  });

  test(`${mode}: NODE_TLS_REJECT_UNAUTHORIZED is no way around that`, async (t) => {
    const emulator = await emulated(t, selfSigned);
    const env = { ...NOTHING_SET, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const program = run.in(t, env, '__test__/support/synced.js', emulator.url, mode);
    t.is((await program.printed(/^(before|failed.*)$/m))[0], 'failed DEPTH_ZERO_SELF_SIGNED_CERT');
    t.is(emulator.requests.length, 0);
  });

  test(`${mode}: a certificate for another name is refused`, async (t) => {
    const emulator = await emulated(t, server);
    const proxy = await startProxy(t, emulator.port);
    const env = { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: file('authority.pem') };
    const program = run.in(
      t,
      { ...NOTHING_SET, ...env },
      '__test__/support/synced.js',
      'https://other.test',
      mode,
    );
    t.is((await program.printed(/^(before|failed.*)$/m))[0], 'failed ERR_TLS_CERT_ALTNAME_INVALID');
    t.is(emulator.requests.length, 0);
  });
}

test('a stream through an agent follows redirects, and takes the key along only to where it came from', async (t) => {
  const emulator = await emulated(t, server);
  const other = await emulated(t, server);
  const elsewhere = { kind: 'redirect', location: `${other.url}/sdk/stream/v1/flags`, times: 1 };
  emulator.fail('stream', { kind: 'redirect', location: '/sdk/stream/v1/flags?again', times: 1 });
  emulator.fail('stream', elsewhere);
  const own = clientWith(t, emulator.url, 'stream', { httpAgent: new https.Agent({ ca }) });
  // The other one knows nobody who brings no key.
  await own.start();
  t.deepEqual(
    emulator.requestsTo('stream').map(({ url }) => url),
    ['/sdk/stream/v1/flags', '/sdk/stream/v1/flags?again'],
  );
  t.true(
    emulator.requestsTo('stream').every(({ headers }) => headers.authorization === 'Api-Key server-key'),
  );
  t.is(other.requestsTo('stream')[0].headers.authorization, undefined);
  t.is(other.requestsTo('stream')[0].status, 401);
  t.true(emulator.requestsTo('flags').length > 0, 'polled instead');
});

test('a stream through an agent is redirected five times at most', async (t) => {
  const emulator = await emulated(t, server);
  emulator.fail('stream', { kind: 'redirect' });
  await clientWith(t, emulator.url, 'stream', { httpAgent: new https.Agent({ ca }) }).start();
  t.is(emulator.requestsTo('stream').length, 6);
});

test('a stream through an agent that is lost is opened again', async (t) => {
  const emulator = await emulated(t, server);
  const own = clientWith(t, emulator.url, 'stream', { httpAgent: new https.Agent({ ca }) });
  await own.start();
  for (const reset of [true, false]) {
    const before = emulator.requestsTo('stream').length;
    emulator.dropStreams({ reset });
    await emulator.waitForRequests('stream', before + 1);
    await emulator.waitForStreams(1);
  }
  emulator.setFlags([flagWith('after')]);
  while (own.evaluateV2({ user_id: 'ada' }).flag.value !== 'after')
    await new Promise((resolve) => setTimeout(resolve, 10));
  own.stop();
  await emulator.waitForStreams(0);
  t.pass();
});

test('a stream through an agent does not keep the process alive', async (t) => {
  const emulator = await emulated(t, server);
  const program = run(
    t,
    '-e',
    `const https = require('https');
     const { LocalEvaluationClient } = require('.');
     const url = process.argv[1];
     const httpAgent = new https.Agent({ ca: require('fs').readFileSync(process.argv[2]), keepAlive: true });
     const config = { serverUrl: url, streamServerUrl: url, streamUpdates: true, httpAgent };
     config.streamFlagConnTimeoutMillis = 10000;
     const client = new LocalEvaluationClient('server-key', config);
     client.start().then(() => console.log('started'));`,
    emulator.url,
    file('authority.pem'),
  );
  const { code, text } = await program.exit;
  t.is(code, 0);
  t.regex(text, /started/);
  t.is(emulator.requestsTo('stream').length, 1);
});

test('a worker that is terminated takes its stream through an agent along, at any moment', async (t) => {
  const emulator = await emulated(t, server);
  const script = `
    const https = require('https');
    const { workerData, parentPort } = require('worker_threads');
    const { LocalEvaluationClient } = require(workerData.package);
    const { url, ca } = workerData;
    const config = { serverUrl: url, streamServerUrl: url, streamUpdates: true, httpAgent: new https.Agent({ ca }) };
    config.streamFlagConnTimeoutMillis = 10000;
    const client = new LocalEvaluationClient('server-key', config);
    client.start().then(() => parentPort.postMessage('started'));
    setInterval(() => {}, 1000);`;
  const workerData = { package: path.join(__dirname, '..'), url: emulator.url, ca: String(ca) };
  for (const moment of ['begun', 'connecting', 'started']) {
    const asked = emulator.requestsTo('stream').length;
    const worker = new Worker(script, { eval: true, workerData });
    if (moment === 'connecting') await emulator.waitForRequests('stream', asked + 1);
    if (moment === 'started') await once(worker, 'message');
    await worker.terminate();
    await emulator.waitForStreams(0);
  }
  t.is(emulator.requestsTo('flags').length, 0);
});
