'use strict';

/**
 * Whether clients of several worker threads have one native core, and which: those with the option
 * `shareAcrossWorkers` share the core of clients that are told the same in everything.
 *
 * @typedef {import('./logger').Logger} Logger
 * @typedef {import('./link').Parts} Parts
 */

/**
 * @param {any} config
 * @param {Parts} parts
 * @param {Logger} logger told why a client that wants to share does not
 * @returns {boolean}
 */
function shares(config, parts, logger) {
  if (!config.shareAcrossWorkers) return false;
  const own = ownParts(config, parts);
  if (own.length === 0) return true;
  logger.warn(
    `[Experiment] shareAcrossWorkers is of no effect for this client: ${own.join(', ')} cannot be used by other threads`,
  );
  return false;
}

/**
 * What a caller brings that does its work on the thread of the client.
 * @param {any} config
 * @param {Parts} parts
 */
function ownParts(config, { httpClient, streamEventSourceFactory }) {
  const { httpAgent, exposureConfig, assignmentConfig } = config;
  const found = { httpAgent, httpClient, streamEventSourceFactory };
  for (const [name, tracking] of Object.entries({ exposureConfig, assignmentConfig })) {
    if (!tracking) continue;
    for (const part of ['transportProvider', 'storageProvider']) {
      Object.assign(found, { [`${name}.${part}`]: tracking[part] });
    }
  }
  return Object.entries(found)
    .filter(([, part]) => part)
    .map(([name]) => name);
}

/**
 * The core that a client shares: its name is a hash of all that the native side is told, so that keys stay unseen.
 * @param {any} config
 * @param {object} settings
 * @param {string} bootstrap
 * @returns {import('../native/index').Sharing}
 */
function sharing({ instanceName }, settings, bootstrap) {
  // JSON has one word for all numbers that are none.
  const exact = (/** @type {string} */ _, /** @type {any} */ value) =>
    typeof value === 'number' ? String(value) : value;
  // What does not show on the native side, such as the store of one client, is its own affair.
  const told = [String(instanceName), { ...settings, reportsFlags: undefined }, bootstrap];
  const hash = require('crypto').createHash('sha256');
  return { name: hash.update(JSON.stringify(told, exact)).digest('hex'), bootstrap };
}

module.exports = { shares, sharing };
