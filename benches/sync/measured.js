'use strict';

/** One measurement of the sync bench, in a process of its own: `node --expose-gc measured.js JSON`. Prints JSON. */

const { StallMeter } = require('../stall');
const { realisticUser } = require('../flags');

const { name, url, scenario, member, flags = 0, all = false } = JSON.parse(process.argv[2]);
const { LocalEvaluationClient } = require(name);

/** Milliseconds between the evaluations that go on during an update. */
const PAUSE = 4;

const MEMBER = { user_id: member };
const STRANGER = { user_id: 'member-of-none-' };

const measurements = { cohort, update };

measurements[/** @type {keyof typeof measurements} */ (scenario)]().then(
  (result) => {
    process.stdout.write(JSON.stringify(result));
    process.exit();
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

/** @param {object} [more] */
function newClient(more) {
  return new LocalEvaluationClient('server-key', {
    serverUrl: url,
    flagConfigPollingIntervalMillis: 3_600_000,
    cohortSyncConfig: { apiKey: 'api-key', secretKey: 'secret-key', cohortServerUrl: url },
    ...more,
  });
}

/** A large cohort, through `start()`: how long the loop stands still, and what stays. */
async function cohort() {
  const client = newClient();
  const before = await residentBytes();
  const meter = new StallMeter();
  const begin = process.hrtime.bigint();
  await client.start();
  const nanoseconds = Number(process.hrtime.bigint() - begin);
  const keys = [MEMBER, STRANGER].map((user) => client.evaluateV2(user)['cohort-flag'].key);
  await sleep(200);
  const stall = await meter.stop();
  const bytes = (await residentBytes()) - before;
  if (String(keys) !== 'on,off') throw new Error(`the cohort does not answer: ${keys}`);
  return { ...stall, nanoseconds, bytes };
}

/** An update of many flags, while users are evaluated: how long the loop stands still. */
async function update() {
  const client = newClient({ flagConfigPollingIntervalMillis: 500, cohortSyncConfig: undefined });
  await client.start();
  const keys = all ? undefined : ['flag-0'];
  const evaluate = () => client.evaluateV2(realisticUser(0), keys)['flag-0'].metadata.flagVersion;
  const version = evaluate();
  for (let i = 0; i < 20; i++) evaluate();
  await residentBytes();
  const without = new StallMeter();
  for (let i = 0; i < 100; i++) {
    evaluate();
    await sleep(PAUSE);
  }
  const idle = (await without.stop()).longest;
  await residentBytes();
  process.send?.('ready');
  const meter = new StallMeter();
  while (evaluate() === version) await sleep(PAUSE);
  for (let i = 0; i < 50; i++) {
    evaluate();
    await sleep(PAUSE);
  }
  const stall = await meter.stop();
  const found = Object.keys(client.evaluateV2(realisticUser(0))).length;
  if (found !== flags) throw new Error(`${found} flags answer`);
  return { ...stall, idle };
}

/** After everything that can be collected has been. */
async function residentBytes() {
  for (let i = 0; i < 5; i++) {
    /** @type {any} */ (globalThis).gc();
    await sleep(50);
  }
  return process.memoryUsage().rss;
}

/** @param {number} millis */
function sleep(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
