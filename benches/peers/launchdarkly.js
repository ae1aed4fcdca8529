'use strict';

/** LaunchDarkly: flags of its data model through the SDK's own test data source; no events, nothing sent. */

const { installed } = require('./installed');
const { rulesOf, attributesOf } = require('./rules');

/** @typedef {import('./rules').Condition} Condition */

const NAME = '@launchdarkly/node-server-sdk';

const VARIATIONS = ['off', 'control', 'treatment'];
const [OFF, CONTROL, TREATMENT] = [0, 1, 2];
/** Of a rollout's weights. */
const WHOLE = 100_000;

/** @param {Condition} condition */
function clauseOf({ attribute, op, values }) {
  const said = {
    is: { op: 'in', values },
    'is not': { op: 'in', values, negate: true },
    greater: { op: 'greaterThan', values: values.map(Number) },
    'version greater or equal': { op: 'semVerLessThan', values, negate: true },
    contains: { op: 'contains', values },
    'set contains any': { op: 'in', values },
  };
  return {
    contextKind: 'user',
    attribute: attribute === 'user_id' ? 'key' : attribute,
    negate: false,
    ...said[op],
  };
}

/** @param {any} flag */
function flagOf(flag) {
  const { key, targets, rollout } = rulesOf(flag);
  const half = (WHOLE * rollout.percent) / 200;
  return {
    key,
    version: 1,
    on: true,
    variations: VARIATIONS,
    offVariation: OFF,
    salt: rollout.salt,
    rules: targets.map((condition, i) => ({
      id: `${key}-${i}`,
      clauses: [clauseOf(condition)],
      variation: TREATMENT,
    })),
    fallthrough: {
      rollout: {
        contextKind: 'user',
        bucketBy: rollout.attribute === 'user_id' ? 'key' : rollout.attribute,
        variations: [
          { variation: CONTROL, weight: half },
          { variation: TREATMENT, weight: half },
          { variation: OFF, weight: WHOLE - 2 * half },
        ],
      },
    },
  };
}

/** @type {import('./peer').Peer} */
module.exports = {
  name: NAME,
  allCall: 'await client.allFlagsState(context)',
  oneCall: "await client.variation(key, context, 'none')",
  async open(flags) {
    const { init, integrations } = installed(NAME);
    const data = new integrations.TestData();
    for (const flag of flags) data.usePreconfiguredFlag(flagOf(flag));
    const client = init('sdk-key', {
      updateProcessor: data.getFactory(),
      sendEvents: false,
      diagnosticOptOut: true,
      logger: { debug() {}, info() {}, warn() {}, error: console.error },
    });
    await client.waitForInitialization({ timeout: 10 });
    return {
      context: (user) => {
        const { user_id, ...attributes } = attributesOf(user);
        return { kind: 'user', key: user_id, ...attributes };
      },
      all: (context) => client.allFlagsState(context),
      one: (context, key) => client.variation(key, context, 'none'),
      variant: (answer) => answer,
      variants: (answer) => answer.allValues(),
      close: () => client.close(),
    };
  },
};
