'use strict';

/**
 * The whole package in one run: flags from a server (here the emulator on this machine), evaluation in this process, evaluation on the
 * server, and a flag that changes while the program runs. `npm start` runs it.
 */

// In an application: require('@amplitude/experiment-node-server'), once the alias is installed as the README says.
const { Experiment } = require('../..');
const { Emulator } = require('../../emulator');
const world = require('./flags.json');

const EVALUATIONS = 10000;

const USERS = [
  { user_id: 'ada', device_id: 'device-1', version: '2.4.1', user_properties: { plan: 'pro' } },
  { user_id: 'bob', device_id: 'device-2', version: '2.3.9', user_properties: { plan: 'free' } },
  { user_id: 'eve', device_id: 'device-3', version: '2.10.0' },
];

/**
 * @typedef {import('../..').LocalEvaluationClient} LocalEvaluationClient
 * @typedef {import('../..').ExperimentUser} ExperimentUser
 * @typedef {Record<string, import('../..').Variant>} Results
 */

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

async function main() {
  const emulator = await Emulator.start(world);
  const { url } = emulator;
  const client = Experiment.initializeLocal(world.deploymentKey, {
    serverUrl: url,
    flagConfigPollingIntervalMillis: 100,
    cohortSyncConfig: { apiKey: world.apiKey, secretKey: world.secretKey, cohortServerUrl: url },
  });
  try {
    await client.start();
    title(`Flags and cohorts are loaded from ${url} (an emulator of Amplitude in this process)`);
    evaluateHere(client);
    showExposure(USERS[0], client.evaluateV2(USERS[0]));
    await evaluateOnServer(url);
    await changeFlag(emulator, client);
    measure(client);
  } finally {
    client.stop();
    await emulator.close();
  }
}

/** @param {LocalEvaluationClient} client */
function evaluateHere(client) {
  title('Local evaluation: client.evaluateV2(user), in this process, without a request');
  for (const user of USERS) print(user, client.evaluateV2(user));
}

/**
 * What Amplitude would be told about this evaluation: with `exposureConfig`, the client sends it by itself.
 * @param {ExperimentUser} user
 * @param {Results} variants
 */
function showExposure(user, variants) {
  title(`What an exposure of "${user.user_id}" tells Amplitude: this user has seen this variant`);
  const [flagKey] = Object.keys(variants);
  const { key, metadata = {} } = variants[flagKey];
  const exposure = {
    event_type: '[Experiment] Exposure',
    user_id: user.user_id,
    device_id: user.device_id,
    event_properties: {
      '[Experiment] Flag Key': flagKey,
      '[Experiment] Variant': key,
      '[Experiment] Experiment Key': metadata.experimentKey,
    },
  };
  console.log(JSON.stringify(exposure, null, 2).replace(/^/gm, '  '));
}

/** @param {string} url */
async function evaluateOnServer(url) {
  title('Remote evaluation: await client.fetchV2(user), on the server, one request');
  const client = Experiment.initializeRemote(world.deploymentKey, { serverUrl: url });
  print(USERS[0], await client.fetchV2(USERS[0]));
}

/**
 * @param {Emulator} emulator
 * @param {LocalEvaluationClient} client
 */
async function changeFlag(emulator, client) {
  title('Someone switches "holiday-banner" off on the server; the next poll brings it');
  const flag = world.flags.find(({ key }) => key === 'holiday-banner');
  const seen = () => String(client.evaluateV2(USERS[0])['holiday-banner'].key);
  console.log(`  before: ${seen()}`);
  emulator.setFlag({ ...flag, segments: [{ variant: 'off' }] });
  const start = Date.now();
  while (seen() !== 'off' && Date.now() - start < 10000)
    await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(`  after:  ${seen()} (${Date.now() - start} ms later)`);
}

/** @param {LocalEvaluationClient} client */
function measure(client) {
  title('How long one evaluation takes');
  const users = Array.from({ length: 100 }, (_, i) => ({
    ...USERS[i % USERS.length],
    user_id: `user-${i}`,
    device_id: `device-${i}`,
  }));
  const evaluate = () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < EVALUATIONS; i++) client.evaluateV2(users[i % users.length]);
    return Number(process.hrtime.bigint() - start) / EVALUATIONS / 1000;
  };
  evaluate(); // The first round is for the compiler.
  const micros = evaluate();
  const flags = world.flags.length;
  console.log(
    `  ${micros.toFixed(2)} microseconds for all ${flags} flags of a user (${EVALUATIONS} evaluations, ${users.length} users)\n`,
  );
}

/**
 * @param {ExperimentUser} user
 * @param {Results} variants
 */
function print(user, variants) {
  console.log(`  ${user.user_id}`);
  for (const [flagKey, { key, payload, metadata = {} }] of Object.entries(variants)) {
    const because = metadata.segmentName ? `because: ${metadata.segmentName}` : '';
    const more = payload === undefined ? '' : `  payload: ${JSON.stringify(payload)}`;
    console.log(`    ${flagKey.padEnd(16)} ${String(key).padEnd(10)} ${because}${more}`);
  }
}

/** @param {string} text */
function title(text) {
  console.log(`\n${text}`);
}
