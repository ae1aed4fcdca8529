'use strict';

/** Options as plain JavaScript and the environment give them: texts that hold numbers, `null`, `Infinity`, a `URL`. */

const http = require('node:http');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { flag, silent } = require('./support/outcome');
const { emulated, pipeline, tracking, analyticsLog, quiet } = require('./support/tracked');

const EXPOSED = { tracksExposure: true };

/** A server of one answer, which remembers when it was asked. */
async function answering(t, answer) {
  const times = [];
  const server = http.createServer((_, response) => {
    times.push(performance.now());
    answer(response, times.length);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.teardown(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, times };
}

test('no limit on the pauses between retries is no limit, and not no pauses', async (t) => {
  for (const fetchRetryBackoffMaxMillis of [Infinity, Number.MAX_VALUE]) {
    const { url, times } = await answering(t, (response) => response.writeHead(500).end());
    const config = {
      serverUrl: url,
      fetchRetries: 3,
      fetchRetryBackoffMinMillis: 60,
      fetchRetryBackoffMaxMillis,
      loggerProvider: silent,
    };
    await t.throwsAsync(new ours.RemoteEvaluationClient('key', config).fetchV2({}));
    t.is(times.length, 4);
    for (const [i, time] of times.slice(1).entries()) t.true(time - times[i] > 50, `pause ${i}`);
  }
});

test('timeouts of a fetch may be null, or texts that hold numbers', async (t) => {
  const { url } = await answering(t, (response) => response.end('{"f":{"key":"on"}}'));
  for (const given of [null, undefined, '5000']) {
    for (const option of ['fetchTimeoutMillis', 'fetchRetryTimeoutMillis']) {
      const config = { serverUrl: url, loggerProvider: silent, fetchRetries: 0, [option]: given };
      t.deepEqual(Object.keys(await new ours.RemoteEvaluationClient('key', config).fetchV2({})), ['f']);
    }
  }
});

test('without a time for the stream to open, it has that of the default', async (t) => {
  for (const { LocalEvaluationClient } of [upstream, ours]) {
    const { Emulator } = require('../emulator');
    const emulator = await Emulator.start({ deploymentKey: 'k', flags: [flag('a')] });
    t.teardown(() => emulator.close());
    const client = new LocalEvaluationClient('k', {
      serverUrl: emulator.url,
      streamServerUrl: emulator.url,
      streamUpdates: true,
      streamFlagConnTimeoutMillis: undefined,
      loggerProvider: silent,
    });
    t.teardown(() => client.stop());
    await client.start();
    t.is(emulator.openStreams, 1);
  }
});

for (const timeoutMillis of [Infinity, 1e300, null, '5000', undefined]) {
  test(`a close that may take ${timeoutMillis} delivers what has been tracked`, async (t) => {
    const emulator = await emulated(t);
    const client = tracking(t, ours, pipeline(emulator, { flushIntervalMillis: 60_000 }));
    client.evaluateV2({ user_id: 'u' }, undefined, EXPOSED);
    await client.close({ timeoutMillis });
    t.is(emulator.events().length, 1);
  });
}

test('a pipeline takes a URL for its endpoint, and what is none gets no events elsewhere', async (t) => {
  const emulator = await emulated(t);
  const given = pipeline(emulator);
  const client = tracking(t, ours, { ...given, serverUrl: new URL(given.serverUrl) });
  client.evaluateV2({ user_id: 'u' }, undefined, EXPOSED);
  await client.flush();
  t.is(emulator.events().length, 1);
  const { provider, of } = analyticsLog();
  const lost = tracking(t, ours, { ...given, serverUrl: {}, loggerProvider: provider });
  lost.evaluateV2({ user_id: 'u' }, undefined, EXPOSED);
  await lost.flush();
  t.true(of('warn').some((line) => line.includes('serverUrl does not begin with http')));
  t.is(emulator.events().length, 1);
});

test('numbers of a pipeline may be texts', async (t) => {
  const emulator = await emulated(t);
  const client = tracking(
    t,
    ours,
    pipeline(emulator, {
      flushIntervalMillis: '60000',
      flushQueueSize: '1',
      minIdLength: '1',
      cacheCapacity: '1',
    }),
  );
  for (const user_id of ['a', 'b', 'a']) client.evaluateV2({ user_id }, undefined, EXPOSED);
  await emulator.waitForEvents(3, 10_000);
  t.deepEqual(
    emulator
      .events()
      .map((event) => event.user_id)
      .sort(),
    ['a', 'a', 'b'],
  );
});

test('a transport of the caller is given whatever its endpoint is called', async (t) => {
  const sent = [];
  const transportProvider = {
    async send(url, { events }) {
      sent.push([url, events.length]);
      return {
        status: 'success',
        statusCode: 200,
        eventsIngested: events.length,
        payloadSizeBytes: 1,
        serverUploadTime: 1,
      };
    },
  };
  for (const serverUrl of ['kafka://topic', '/proxy/events']) {
    const config = {
      apiKey: 'api',
      flushIntervalMillis: 20,
      loggerProvider: quiet,
      serverUrl,
      transportProvider,
    };
    const client = tracking(t, ours, config);
    client.evaluateV2({ user_id: 'u' }, undefined, EXPOSED);
    await client.flush();
    t.deepEqual(sent.splice(0), [[serverUrl, 1]]);
  }
});
