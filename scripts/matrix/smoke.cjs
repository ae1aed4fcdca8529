'use strict';

/**
 * What an application does with the package, on whatever runs this: load, evaluate, poll, stream, fetch, track, stop.
 * Written for the oldest runtime of the matrix. Prints a line of JSON for each part: `{ part, ok, message }`.
 *
 * Arguments: the package, and the emulator's addresses as JSON.
 */

const [name, addresses] = process.argv.slice(2);
const { serverUrl, streamServerUrl } = JSON.parse(addresses);
const LIMIT_MILLIS = 15000;
const USER = { user_id: 'user', device_id: 'device', user_properties: { plan: 'pro' } };
const FLAG = {
  key: 'smoke',
  variants: { on: { key: 'on', value: 'on' } },
  segments: [
    {
      conditions: [[{ selector: ['context', 'user', 'user_properties', 'plan'], op: 'is', values: ['pro'] }]],
      variant: 'on',
    },
  ],
};

/** @type {any} */
let library;

/** @param {any} variants */
function expectOn(variants) {
  const variant = variants && variants.smoke;
  if (!variant || variant.value !== 'on') throw new Error(`unexpected variants: ${JSON.stringify(variants)}`);
}

/** @param {any} config */
async function started(config) {
  const client = new library.LocalEvaluationClient('server-key', { serverUrl, ...config });
  await client.start();
  try {
    expectOn(client.evaluateV2(USER, ['smoke']));
  } finally {
    client.stop();
  }
}

/** @type {Record<string, () => any>} */
const parts = {
  load() {
    library = require(name);
    if (typeof library.Experiment.initializeLocal !== 'function') throw new Error('no Experiment');
  },
  evaluate() {
    const client = library.Experiment.initializeLocal('bootstrap-key', { bootstrap: { smoke: FLAG } });
    for (let i = 0; i < 100; i++) expectOn(client.evaluateV2(USER));
  },
  poll: () => started({}),
  stream: () => started({ streamUpdates: true, streamServerUrl }),
  async fetch() {
    const client = library.Experiment.initializeRemote('remote-key', { serverUrl });
    expectOn(await client.fetchV2(USER));
  },
  async track() {
    const client = new library.LocalEvaluationClient('server-key', {
      bootstrap: { smoke: FLAG },
      exposureConfig: { apiKey: 'api-key', serverUrl: `${serverUrl}/2/httpapi`, flushIntervalMillis: 50 },
    });
    expectOn(client.evaluateV2(USER, ['smoke'], { tracksExposure: true }));
    if (client.flush) await client.flush();
    else await new Promise((resolve) => setTimeout(resolve, 1000));
  },
  async stop() {
    const client = new library.LocalEvaluationClient('server-key', { serverUrl });
    await client.start();
    client.stop();
    client.stop();
    await client.start();
    client.stop();
  },
};

/** @param {() => any} part */
function bounded(part) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not done in time')), LIMIT_MILLIS);
    Promise.resolve()
      .then(part)
      .then(resolve, reject)
      .then(() => clearTimeout(timer));
  });
}

(async () => {
  for (const part of Object.keys(parts)) {
    let message;
    try {
      await bounded(parts[part]);
    } catch (error) {
      message = String((error && /** @type {any} */ (error).message) || error).split('\n')[0];
    }
    console.log(JSON.stringify({ part, ok: message === undefined, message }));
    if (message !== undefined && part === 'load') return;
  }
})();
