'use strict';

/** Clients whose events go to an emulator: for the tests of tracking. */

const { Emulator } = require('../../emulator');
const { silent } = require('./outcome');

/** A logger of an event pipeline that says nothing. */
const quiet = { enable() {}, disable() {}, log() {}, warn() {}, error() {}, debug() {} };

/** One that remembers its lines with the method that they came by. */
function analyticsLog() {
  const lines = [];
  const provider = {};
  for (const name of Object.keys(quiet)) provider[name] = (line) => void lines.push([name, line]);
  return { lines, provider, of: (name) => lines.filter(([by]) => by === name).map(([, line]) => line) };
}

/** A flag that everybody has an experiment's variant of but `nobody`, whose variant is the default. */
const FLAGS = [
  {
    key: 'exp',
    variants: { on: { key: 'on', value: 'on' }, off: { key: 'off', metadata: { default: true } } },
    segments: [
      {
        conditions: [[{ selector: ['context', 'user', 'user_id'], op: 'is not', values: ['nobody'] }]],
        variant: 'on',
        metadata: { segmentName: 'All' },
      },
      { variant: 'off' },
    ],
    metadata: { experimentKey: 'exp-1', flagVersion: 7 },
  },
];

const bootstrapOf = (list) => Object.fromEntries(list.map((flag) => [flag.key, structuredClone(flag)]));

/** An emulator that ends with the test. */
async function emulated(t, options = {}) {
  const emulator = await Emulator.start({ apiKey: 'api', ...options });
  t.teardown(() => emulator.close());
  return emulator;
}

/** Options of a pipeline that sends to an emulator, soon. */
const pipeline = (emulator, more = {}) => ({
  apiKey: 'api',
  serverUrl: `${emulator.url}/2/httpapi`,
  flushIntervalMillis: 20,
  loggerProvider: quiet,
  ...more,
});

/** A client that tracks exposures, and whatever else it is told. */
function tracking(t, { LocalEvaluationClient }, exposureConfig, more = {}) {
  const config = { bootstrap: bootstrapOf(FLAGS), loggerProvider: silent, exposureConfig, ...more };
  const client = new LocalEvaluationClient('k', config);
  if (client.close) t.teardown(() => client.close({ timeoutMillis: 0 }));
  return client;
}

/** Exposes a user. */
const expose = (client, user, keys) => client.evaluateV2(user, keys, { tracksExposure: true });

/** Exposes `u0`, `u1`, … */
function exposeMany(client, count, prefix = 'u') {
  for (let i = 0; i < count; i++) expose(client, { user_id: `${prefix}${i}` });
}

/** What of an event does not depend on clocks and counters. */
function essence(event) {
  const { time, event_id, ...rest } = event;
  return JSON.stringify(rest);
}

/** How many different events a server has taken. */
const distinct = (emulator) => new Set(emulator.events().map((event) => event.insert_id)).size;

module.exports = {
  FLAGS,
  analyticsLog,
  bootstrapOf,
  distinct,
  emulated,
  essence,
  expose,
  exposeMany,
  pipeline,
  quiet,
  tracking,
};
