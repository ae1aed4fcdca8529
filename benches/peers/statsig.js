'use strict';

/**
 * Statsig's server core (Rust, through Node-API): dynamic configs in the form in which its servers send them, from a
 * data store in memory, with the network and logging off.
 */

const { installed } = require('./installed');
const { oneByOne } = require('./one-by-one');
const { rulesOf, attributesOf } = require('./rules');

/**
 * @typedef {import('./rules').Condition} Condition
 * @typedef {Record<string, any>} Json
 */

const NAME = '@statsig/statsig-node-core';
/** Of a user bucket. */
const WHOLE = 1000;
const ID_TYPES = { user_id: 'userID', device_id: 'deviceID' };
/** Conditions that every rule has to name one of: this one always holds. */
const EVERYBODY = { type: 'public', idType: 'userID' };

/** @param {string} attribute */
function idTypeOf(attribute) {
  return ID_TYPES[/** @type {keyof typeof ID_TYPES} */ (attribute)];
}

/**
 * @param {Condition} condition
 * @returns {Json}
 */
function conditionOf({ attribute, op, values }) {
  const said = {
    is: { operator: 'any_case_sensitive', targetValue: values },
    'is not': { operator: 'none_case_sensitive', targetValue: values },
    greater: { operator: 'gt', targetValue: Number(values[0]) },
    'version greater or equal': { operator: 'version_gte', targetValue: values[0] },
    contains: { operator: 'str_contains_any', targetValue: values },
    'set contains any': { operator: 'array_contains_any', targetValue: values },
  };
  const idType = idTypeOf(attribute);
  const asked = idType
    ? { type: 'unit_id', idType }
    : { type: 'user_field', field: attribute, idType: 'userID' };
  return { ...asked, ...said[op] };
}

/**
 * @param {any} flag
 * @param {(condition: Json) => string} name registers a condition
 * @returns {Json}
 */
function configOf(flag, name) {
  const { targets, rollout } = rulesOf(flag);
  const idType = idTypeOf(rollout.attribute);
  const below = (/** @type {number} */ percent) => ({
    type: 'user_bucket',
    idType,
    operator: 'lt',
    targetValue: (WHOLE * percent) / 100,
    additionalValues: { salt: rollout.salt },
  });
  const rules = [
    ...targets.map((condition) => ({ variant: 'treatment', condition: conditionOf(condition) })),
    { variant: 'control', condition: below(rollout.percent / 2) },
    { variant: 'treatment', condition: below(rollout.percent) },
    { variant: 'off', condition: EVERYBODY },
  ];
  return {
    type: 'dynamic_config',
    salt: rollout.salt,
    enabled: true,
    defaultValue: { variant: 'off' },
    rules: rules.map(({ variant, condition }, i) => ({
      name: `rule-${i}`,
      id: `rule-${i}`,
      salt: `rule-${i}`,
      passPercentage: 100,
      conditions: [name(condition)],
      returnValue: { variant },
      idType,
    })),
    idType,
    entity: 'dynamic_config',
    version: 1,
  };
}

/** @param {any[]} flags */
function specsOf(flags) {
  /** @type {Json} */
  const conditions = {};
  const name = (/** @type {Json} */ condition) => {
    const id = String(1000 + Object.keys(conditions).length);
    conditions[id] = condition;
    return id;
  };
  return {
    dynamic_configs: Object.fromEntries(flags.map((flag) => [flag.key, configOf(flag, name)])),
    feature_gates: {},
    layer_configs: {},
    experiment_to_layer: {},
    condition_map: conditions,
    has_updates: true,
    time: 1,
  };
}

/** @type {import('./peer').Peer} */
module.exports = {
  name: NAME,
  allCall: 'statsig.getDynamicConfig(user, key, { disableExposureLogging: true }) for each key',
  oneCall: 'statsig.getDynamicConfig(user, key, { disableExposureLogging: true })',
  async open(flags) {
    const { Statsig, StatsigUser } = installed(NAME);
    const specs = JSON.stringify(specsOf(flags));
    const statsig = new Statsig('secret-key', {
      dataStore: {
        initialize: async () => {},
        get: async () => ({ result: specs, time: 1 }),
        shutdown: async () => {},
      },
      specAdaptersConfig: [{ adapterType: 'data_store', initTimeoutMs: 5000 }],
      disableNetwork: true,
      disableAllLogging: true,
      disableCountryLookup: true,
      outputLogLevel: 'none',
    });
    await statsig.initialize();
    const keys = flags.map(({ key }) => key);
    const quiet = { disableExposureLogging: true };
    const one = (/** @type {any} */ user, /** @type {string} */ key) =>
      statsig.getDynamicConfig(user, key, quiet);
    const variant = (/** @type {any} */ answer) => answer.value.variant;
    return {
      context: (user) => {
        const { user_id, device_id, email, country, ...custom } = attributesOf(user);
        return new StatsigUser({
          userID: user_id,
          customIDs: { deviceID: device_id },
          email,
          country,
          custom,
        });
      },
      ...oneByOne(keys, one, variant),
      close: () => statsig.shutdown(),
    };
  },
};
