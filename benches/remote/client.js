'use strict';

/**
 * One package's client in the remote bench, in a process of its own: `node client.js PACKAGE URL`. For each message
 * `{ inFlight, millis }` it keeps so many fetches under way for so long, and answers with what they took.
 */

const { createHistogram, performance } = require('node:perf_hooks');
const { realisticUser } = require('../flags');

const [name, url] = process.argv.slice(2);
const { RemoteEvaluationClient } = require(name);

const client = new RemoteEvaluationClient('server-key', { serverUrl: url, fetchRetries: 0, logLevel: 0 });
const users = Array.from({ length: 64 }, (_, i) => realisticUser(i));

process.on('message', (/** @type {{ inFlight: number, millis: number }} */ { inFlight, millis }) => {
  load(inFlight, millis).then(
    (result) => process.send?.(result),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());

/**
 * @param {number} inFlight
 * @param {number} millis
 */
async function load(inFlight, millis) {
  const latencies = createHistogram();
  const loop = performance.eventLoopUtilization();
  const cpu = process.cpuUsage();
  const begin = process.hrtime.bigint();
  const end = begin + BigInt(millis) * 1_000_000n;
  let count = 0;
  const line = async () => {
    for (let now = begin; now < end;) {
      const variants = await client.fetchV2(users[count++ & 63]);
      if (!('flag-0' in variants)) throw new Error(`${name}: no variants`);
      const then = process.hrtime.bigint();
      latencies.record(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, line));
  const nanoseconds = Number(process.hrtime.bigint() - begin);
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (count * 1e9) / nanoseconds,
    p50: latencies.percentile(50),
    p99: latencies.percentile(99),
    /** Nanoseconds of processor of the whole process, and of its event loop, that a fetch takes. */
    cpu: ((user + system) * 1e3) / count,
    loop: (performance.eventLoopUtilization(loop).active * 1e6) / count,
  };
}
