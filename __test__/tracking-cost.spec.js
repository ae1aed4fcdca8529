'use strict';

/**
 * What tracking costs the event loop. `npm run bench:events` measures it; these are its orders of magnitude, by bounds
 * that hold on a busy machine.
 */

const { fork } = require('node:child_process');
const path = require('node:path');
const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { realisticFlags, realisticUser } = require('../benches/flags');
const { StallMeter } = require('../benches/stall');
const { exposeMany, quiet, tracking } = require('./support/tracked');

/** A server of events in a process of its own, which must not be what holds the loop up. */
function server(t) {
  const child = fork(path.join(__dirname, '..', 'benches', 'events', 'server.js'));
  t.teardown(() => child.kill());
  const said = () => new Promise((resolve) => child.once('message', resolve));
  return {
    url: said(),
    taken() {
      child.send('taken');
      return said();
    },
  };
}

/** What nothing is sent by. */
const WAITING = {
  apiKey: 'api-key',
  flushIntervalMillis: 3_600_000,
  flushQueueSize: 1e9,
  loggerProvider: quiet,
};

test.serial('a full queue delivers without a stall', async (t) => {
  const { url, taken } = server(t);
  const client = tracking(t, ours, { ...WAITING, serverUrl: `${await url}/2/httpapi` });
  exposeMany(client, 50_000);
  const meter = new StallMeter();
  await client.flush();
  const { longest } = await meter.stop();
  t.is(await taken(), 50_000);
  // Upstream stands still for seconds.
  t.true(longest < 50e6, `${longest / 1e6} ms`);
  t.log(`longest stall: ${(longest / 1e6).toFixed(1)} ms`);
});

/** Nanoseconds that an evaluation takes while the caller waits for it. */
function time(client, options, calls) {
  const users = Array.from({ length: calls }, () => ({
    ...realisticUser(0),
    user_id: `user-${time.users++}`,
  }));
  const start = process.hrtime.bigint();
  for (const user of users) client.evaluateV2(user, undefined, options);
  return Number(process.hrtime.bigint() - start) / calls;
}
time.users = 0;

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

test.serial('tracking costs microseconds', (t) => {
  const bootstrap = Object.fromEntries(realisticFlags(200).map((flag) => [flag.key, flag]));
  const [theirs, our] = [upstream, ours].map((library) =>
    tracking(t, library, { ...WAITING, optOut: library === upstream }, { bootstrap }),
  );
  const adds = { theirs: [], ours: [] };
  for (let turn = 0; turn < 7; turn++) {
    for (const [name, client, calls] of [
      ['theirs', theirs, 2],
      ['ours', our, 100],
    ]) {
      const plain = time(client, undefined, calls);
      adds[name].push(time(client, { tracksExposure: true }, calls) - plain);
    }
  }
  const [theirCost, ourCost] = [median(adds.theirs), median(adds.ours)];
  t.log(`200 flags: upstream ${(theirCost / 1e3).toFixed(0)} µs, ours ${(ourCost / 1e3).toFixed(1)} µs`);
  t.true(ourCost < theirCost / 50, `${ourCost} and ${theirCost} ns`);
});
