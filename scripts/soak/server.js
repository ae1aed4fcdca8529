'use strict';

/**
 * The server of the soak: `node server.js PACKAGE EMULATOR-URL`, two worker processes of `node:cluster` that share a port.
 * Each runs the Express example with a local client of the package: streaming, with cohorts, every variant's exposure
 * tracked. A visitor without a cookie is a new one, and so is every request here.
 *
 * The first process tells its parent the port; told `sample` it answers with each worker's figures, told `end` with the
 * final ones, when what was tracked has been delivered.
 */

/** @type {import('node:cluster').Cluster} */
const cluster = /** @type {any} */ (require('node:cluster'));
const { once } = require('node:events');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { createApp } = require('../../examples/express/app');

const WORKERS = 2;
/** For a package that cannot say when its events have been delivered: twice the interval in which they are. */
const LINGER_MILLIS = 21_000;

const [name, url] = process.argv.slice(2);

/**
 * @typedef {object} Sample of one worker, since the last one
 * @property {number} memory bytes resident
 * @property {number} heap
 * @property {number} delayP99 nanoseconds of the event loop
 * @property {number} delayMax
 * @property {number} tracked events, since the start
 * @property {number} versions of the changing flag that were seen, since the start
 * @property {number} processor microseconds, since the start
 */

if (cluster.isPrimary) primary();
else worker();

async function primary() {
  cluster.on('exit', () => process.exit(1));
  cluster.setupPrimary({ execArgv: ['--expose-gc'], args: process.argv.slice(2) });
  const workers = Array.from({ length: WORKERS }, () => cluster.fork());
  const ports = await Promise.all(workers.map(async (each) => (await once(each, 'message'))[0]));
  process.on('message', async (/** @type {string} */ order) => {
    const figures = await Promise.all(
      workers.map(async (each) => {
        each.send(order);
        return (await once(each, 'message'))[0];
      }),
    );
    process.send?.(figures);
  });
  process.on('disconnect', () => process.exit());
  process.send?.(ports[0]);
}

async function worker() {
  const { LocalEvaluationClient } = require(name);
  const client = new LocalEvaluationClient('server-key', {
    serverUrl: url,
    streamUpdates: true,
    streamServerUrl: url,
    streamFlagConnTimeoutMillis: 10_000,
    cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url },
    exposureConfig: { apiKey: 'api', serverUrl: `${url}/2/httpapi` },
  });
  await client.start();
  const counted = { tracked: 0, versions: new Set() };
  const local = {
    evaluateV2(/** @type {any} */ user, /** @type {string[]} */ keys) {
      const variants = client.evaluateV2(user, keys, { tracksExposure: true });
      for (const { metadata } of Object.values(/** @type {Record<string, any>} */ (variants))) {
        // To be given a default is no exposure.
        if (!(metadata && metadata.default)) counted.tracked++;
      }
      if (variants.changing) counted.versions.add(variants.changing.metadata.flagVersion);
      return variants;
    },
  };
  const app = createApp(/** @type {any} */ ({ local, remote: undefined, apiKey: 'an-api-key-of-ours' }));
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  /** @returns {Sample} */
  const sample = () => {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const figures = {
      memory: rss,
      heap: heapUsed,
      delayP99: delay.percentile(99),
      delayMax: delay.max,
      tracked: counted.tracked,
      versions: counted.versions.size,
      processor: user + system,
    };
    return figures;
  };
  process.on('message', async (order) => {
    if (order === 'collect') /** @type {any} */ (globalThis).gc();
    if (order === 'fresh') delay.reset();
    if (order === 'end') {
      if (client.flush) await client.flush();
      else await new Promise((resolve) => setTimeout(resolve, LINGER_MILLIS));
    }
    process.send?.(sample());
  });
  const server = app.listen(0, '127.0.0.1', () => {
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    process.send?.(address.port);
  });
}
