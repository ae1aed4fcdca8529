'use strict';

const { LocalEvaluationClient } = require('./local-client');
const { RemoteEvaluationClient } = require('./remote-client');

/** @type {Map<string, InstanceType<typeof RemoteEvaluationClient>>} */
const remoteClients = new Map();
/** @type {Map<string, InstanceType<typeof LocalEvaluationClient>>} */
const localClients = new Map();

/**
 * The client of a key and instance name: made once, with the configuration of the first call.
 *
 * @template T
 * @param {Map<string, T>} clients
 * @param {string} apiKey
 * @param {any} config
 * @param {() => T} make
 * @returns {T}
 */
function shared(clients, apiKey, config, make) {
  const name = `${apiKey}-${config ? config.instanceName : undefined}`;
  let client = clients.get(name);
  if (!client) {
    client = make();
    clients.set(name, client);
  }
  return client;
}

/**
 * @param {string} apiKey
 * @param {import('../index').RemoteEvaluationConfig} [config]
 */
function initializeRemote(apiKey, config) {
  return shared(remoteClients, apiKey, config, () => new RemoteEvaluationClient(apiKey, config));
}

/**
 * @param {string} apiKey
 * @param {import('../index').LocalEvaluationConfig} [config]
 */
function initializeLocal(apiKey, config) {
  return shared(localClients, apiKey, config, () => new LocalEvaluationClient(apiKey, config));
}

/** Makes clients, one for each key and instance name. */
const Experiment = {
  /** @deprecated use `initializeRemote` */
  initialize: initializeRemote,
  initializeRemote,
  initializeLocal,
};

module.exports = { Experiment };
