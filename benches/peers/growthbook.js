'use strict';

/** GrowthBook: features with Mongo-like conditions and an experiment rule, given with the payload. */

const { installed } = require('./installed');
const { oneByOne } = require('./one-by-one');
const { rulesOf, attributesOf } = require('./rules');

/** @typedef {import('./rules').Condition} Condition */

const NAME = '@growthbook/growthbook';

/** @param {Condition} condition */
function conditionOf({ attribute, op, values }) {
  const said = {
    is: () => ({ $in: values }),
    'is not': () => ({ $nin: values }),
    greater: () => ({ $gt: Number(values[0]) }),
    'version greater or equal': () => ({ $vgte: values[0] }),
    contains: () => ({ $regex: values.map(escaped).join('|') }),
    'set contains any': () => ({ $in: values }),
  };
  return { [attribute]: said[op]() };
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** @param {any} flag */
function featureOf(flag) {
  const { targets, rollout } = rulesOf(flag);
  return {
    defaultValue: 'off',
    rules: [
      ...targets.map((condition) => ({ condition: conditionOf(condition), force: 'treatment' })),
      {
        variations: ['control', 'treatment'],
        weights: [0.5, 0.5],
        coverage: rollout.percent / 100,
        hashAttribute: rollout.attribute,
        hashVersion: 2,
        seed: rollout.salt,
      },
    ],
  };
}

/** @type {import('./peer').Peer} */
module.exports = {
  name: NAME,
  allCall: 'client.evalFeature(key, { attributes }) for each key',
  oneCall: 'client.evalFeature(key, { attributes })',
  async open(flags) {
    const { GrowthBookClient } = installed(NAME);
    const features = Object.fromEntries(flags.map((flag) => [flag.key, featureOf(flag)]));
    const client = new GrowthBookClient().initSync({ payload: { features } });
    const keys = Object.keys(features);
    const one = (/** @type {any} */ context, /** @type {string} */ key) => client.evalFeature(key, context);
    return {
      context: (user) => ({ attributes: attributesOf(user) }),
      ...oneByOne(keys, one, ({ value }) => value),
      close: () => client.destroy(),
    };
  },
};
