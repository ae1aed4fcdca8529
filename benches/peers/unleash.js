'use strict';

/**
 * Unleash: features with strategies, bootstrapped, never refreshed. Its context has no lists: a list is its
 * members between commas, and conditions on it look for a member between commas.
 */

const { installed } = require('./installed');
const { oneByOne } = require('./one-by-one');
const { rulesOf, attributesOf } = require('./rules');

/** @typedef {import('./rules').Condition} Condition */

const NAME = 'unleash-client';

/** Of variants' weights. */
const WHOLE = 1000;

/** @param {Condition} condition */
function constraintOf({ attribute, op, values }) {
  const said = {
    is: { operator: 'IN', values },
    'is not': { operator: 'NOT_IN', values },
    greater: { operator: 'NUM_GT', value: values[0], values: [] },
    'version greater or equal': { operator: 'SEMVER_GTE', value: values[0], values: [] },
    contains: { operator: 'STR_CONTAINS', values },
    'set contains any': { operator: 'STR_CONTAINS', values: values.map((value) => `,${value},`) },
  };
  return { contextName: nameOf(attribute), inverted: false, ...said[op] };
}

/** @param {string} attribute */
function nameOf(attribute) {
  return attribute === 'user_id' ? 'userId' : attribute;
}

/** @param {any} flag */
function featureOf(flag) {
  const { key, targets, rollout } = rulesOf(flag);
  const stickiness = nameOf(rollout.attribute);
  const flexible = (/** @type {number} */ percent) => ({
    rollout: String(percent),
    stickiness,
    groupId: rollout.salt,
  });
  return {
    name: key,
    type: 'release',
    enabled: true,
    stale: false,
    impressionData: false,
    variants: [],
    strategies: [
      ...targets.map((condition) => ({
        name: 'flexibleRollout',
        parameters: flexible(100),
        constraints: [constraintOf(condition)],
        variants: [{ name: 'treatment', weight: WHOLE, stickiness }],
      })),
      {
        name: 'flexibleRollout',
        parameters: flexible(rollout.percent),
        constraints: [],
        variants: ['control', 'treatment'].map((name) => ({ name, weight: WHOLE / 2, stickiness })),
      },
    ],
  };
}

/** @type {import('./peer').Peer} */
module.exports = {
  name: NAME,
  allCall: 'unleash.getVariant(key, context) for each key',
  oneCall: 'unleash.getVariant(key, context)',
  async open(flags) {
    const { Unleash, InMemStorageProvider } = installed(NAME);
    const client = new Unleash({
      appName: 'bench',
      // Nobody listens there: the bootstrap is all there is.
      url: 'http://127.0.0.1:1/',
      refreshInterval: 0,
      disableMetrics: true,
      skipInstanceCountWarning: true,
      storageProvider: new InMemStorageProvider(),
      bootstrap: { data: flags.map(featureOf) },
      disableAutoStart: true,
    });
    client.on('error', () => {});
    client.on('warn', () => {});
    await Promise.all([new Promise((resolve) => client.once('ready', resolve)), client.start()]);
    const keys = flags.map(({ key }) => key);
    const one = (/** @type {any} */ context, /** @type {string} */ key) => client.getVariant(key, context);
    const variant = (/** @type {any} */ answer) => (answer.feature_enabled ? answer.name : 'off');
    return {
      context: (user) => {
        const { user_id, ...attributes } = attributesOf(user);
        const texts = Object.entries(attributes).map(([key, value]) => [key, textOf(value)]);
        return { userId: user_id, properties: Object.fromEntries(texts) };
      },
      ...oneByOne(keys, one, variant),
      close: () => client.destroy(),
    };
  },
};

/** @param {unknown} value */
function textOf(value) {
  return Array.isArray(value) ? `,${value.join(',')},` : String(value);
}
