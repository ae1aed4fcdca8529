'use strict';

/** flagd, the reference of OpenFeature, in process: flags with JsonLogic. */

const { installed } = require('./installed');
const { rulesOf, attributesOf } = require('./rules');

/** @typedef {import('./rules').Condition} Condition */

const NAME = '@openfeature/flagd-core';

/** @param {Condition} condition */
function logicOf({ attribute, op, values }) {
  const asked = { var: attribute };
  const said = {
    is: () => ({ in: [asked, values] }),
    'is not': () => ({ '!': [{ in: [asked, values] }] }),
    greater: () => ({ '>': [asked, Number(values[0])] }),
    'version greater or equal': () => ({ sem_ver: [asked, '>=', values[0]] }),
    contains: () => ({ or: values.map((value) => ({ in: [value, asked] })) }),
    'set contains any': () => ({ or: values.map((value) => ({ in: [value, asked] })) }),
  };
  return said[op]();
}

/** @param {any} flag */
function flagOf(flag) {
  const { targets, rollout } = rulesOf(flag);
  const half = rollout.percent / 2;
  return {
    state: 'ENABLED',
    variants: { off: 'off', control: 'control', treatment: 'treatment' },
    defaultVariant: 'off',
    targeting: {
      if: [
        ...targets.flatMap((condition) => [logicOf(condition), 'treatment']),
        {
          fractional: [
            { cat: [rollout.salt, { var: rollout.attribute }] },
            ['control', half],
            ['treatment', half],
            ['off', 100 - rollout.percent],
          ],
        },
      ],
    },
  };
}

/** @type {import('./peer').Peer} */
module.exports = {
  name: NAME,
  allCall: 'core.resolveAll(context, logger)',
  oneCall: "core.resolveStringEvaluation(key, 'none', context, logger)",
  async open(flags) {
    const { FlagdCore } = installed(NAME);
    const quiet = { error: console.error, warn() {}, info() {}, debug() {} };
    const core = new FlagdCore(undefined, quiet);
    core.setConfigurations(
      JSON.stringify({ flags: Object.fromEntries(flags.map((flag) => [flag.key, flagOf(flag)])) }),
    );
    return {
      context: (user) => ({ ...attributesOf(user), targetingKey: user.user_id }),
      all: (context) => core.resolveAll(context, quiet),
      one: (context, key) => core.resolveStringEvaluation(key, 'none', context, quiet),
      variant: (answer) => answer.value,
      variants: (answer) =>
        Object.fromEntries(answer.map((/** @type {any} */ { flagKey, value }) => [flagKey, value])),
      close: () => {},
    };
  },
};
