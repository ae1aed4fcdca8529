'use strict';

/**
 * What the caller brings (loggers, getters, `toJSON`) may evaluate while an evaluation is under way: both have their own answers,
 * and events are of what was asked. Beside upstream, where each evaluation has its own objects.
 */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { flag, silent } = require('./support/outcome');

const on = (key, selector, value) =>
  flag(key, {
    variants: { on: { key: 'on', value: 'on' }, off: { key: 'off', metadata: { default: true } } },
    segments: [
      {
        conditions: [[{ selector: ['context', 'user', ...selector], op: 'is', values: [value] }]],
        variant: 'on',
      },
      { variant: 'off' },
    ],
  });
const bootstrap = {
  a: on('a', ['user_properties', 'p'], 'yes'),
  b: on('b', ['user_id'], 'service'),
  z: on('z', ['user_id'], 'service'),
};

/** A client, and what evaluates another user for other flags with it, once at a time. */
function nesting({ LocalEvaluationClient }, config) {
  let isInside = true;
  let count = 0;
  const evaluate = () => {
    if (isInside) return;
    isInside = true;
    count++;
    client.evaluateV2({ user_id: 'service' }, ['z', 'b'], { tracksExposure: true });
    isInside = false;
  };
  const client = new LocalEvaluationClient('k', { bootstrap, loggerProvider: silent, ...config(evaluate) });
  isInside = false;
  return { client, evaluate, nested: () => count };
}

const keys = (variants) => Object.entries(variants).map(([key, variant]) => `${key}: ${variant.key}`);
const USER = { user_id: 'u', device_id: 'd', user_properties: { p: 'no' } };

for (const [name, module] of [
  ['ours', ours],
  ["upstream's", upstream],
]) {
  test(`${name}: a logger that evaluates leaves the answer alone`, (t) => {
    const { client, nested } = nesting(module, (evaluate) => ({
      loggerProvider: { ...silent, debug: evaluate },
      logLevel: module.LogLevel.Debug,
    }));
    for (let i = 0; i < 20; i++) t.deepEqual(keys(client.evaluateV2(USER, ['a', 'b'])), ['a: off', 'b: off']);
    t.true(nested() >= 20);
  });

  const getter = (evaluate) => ({
    get device_id() {
      evaluate();
      return 'd';
    },
  });
  const toJson = (evaluate) => ({ groups: { org: ['x'], toJSON: () => (evaluate(), { org: ['x'] }) } });
  // Upstream writes groups as JSON when it sends them.
  for (const [what, given] of module === ours
    ? [
        ['a getter', getter],
        ['a toJSON', toJson],
      ]
    : [['a getter', getter]]) {
    test(`${name}: ${what} that evaluates leaves the answer and the events alone`, async (t) => {
      const events = [];
      const transportProvider = {
        async send(_, { events: sent }) {
          events.push(...sent);
          return {
            status: 'success',
            statusCode: 200,
            eventsIngested: sent.length,
            payloadSizeBytes: 1,
            serverUploadTime: 1,
          };
        },
      };
      const { client, evaluate, nested } = nesting(module, () => ({
        exposureConfig: { apiKey: 'api', logLevel: 0, flushIntervalMillis: 20, transportProvider },
      }));
      const user = Object.defineProperties({ ...USER }, Object.getOwnPropertyDescriptors(given(evaluate)));
      for (let i = 0; i < 20; i++) {
        t.deepEqual(keys(client.evaluateV2(user, ['a', 'b'], { tracksExposure: true })), [
          'a: off',
          'b: off',
        ]);
      }
      t.true(nested() >= 20);
      const exposed = () =>
        events.map((event) => `${event.user_id}: ${event.event_properties['[Experiment] Flag Key']}`);
      for (let i = 0; i < 500 && exposed().length < 2; i++) await new Promise((done) => setTimeout(done, 10));
      if (client.flush) await client.flush();
      // Defaults are not exposed, so that only the inner evaluation's are there, each once.
      t.deepEqual(exposed().sort(), ['service: b', 'service: z']);
    });
  }
}

test('a logger that is told of a value without a text, and evaluates, leaves the answer alone', (t) => {
  let lines = 0;
  const { client, nested } = nesting(ours, (evaluate) => ({
    loggerProvider: { ...silent, error: () => (lines++, evaluate()) },
  }));
  const circle = {};
  circle.circle = circle;
  const user = { ...USER, user_properties: { p: circle } };
  t.deepEqual(keys(client.evaluateV2(user, ['a', 'b'])), ['a: off', 'b: off']);
  t.is(lines, 1);
  t.is(nested(), 1);
});

test('what one client could not read is not reported by another', (t) => {
  const lines = [];
  const [first, second] = ['first', 'second'].map((name) => {
    const loggerProvider = { ...silent, error: (line) => lines.push(`${name}: ${line}`) };
    const flags = { ...bootstrap, q: on('q', ['user_properties', 'q'], 'yes') };
    return new ours.LocalEvaluationClient('k', { bootstrap: flags, loggerProvider });
  });
  const circle = {};
  circle.circle = circle;
  const properties = {
    p: circle,
    get q() {
      throw new RangeError('no q');
    },
  };
  // Until code has been generated for it, everything is read before anything is turned into text.
  for (let i = 0; i < 20; i++) first.evaluateV2(USER);
  t.throws(() => first.evaluateV2({ user_properties: properties }), { instanceOf: RangeError });
  t.deepEqual(keys(second.evaluateV2(USER, ['a'])), ['a: off']);
  t.deepEqual(lines, []);
});
