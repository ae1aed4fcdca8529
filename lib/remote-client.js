'use strict';

const { populateRemoteConfig } = require('./config');
const { withTextValue } = require('./evaluation/templates');
const { errorOf } = require('./errors');
const { Logger } = require('./logger');
const { Mailbox } = require('./mailbox');
const native = require('./native');
const { hideKeys } = require('./redact');
const { takeOrders } = require('./transport/orders');

/**
 * Remote evaluation: the variants of a user, fetched from the server.
 *
 * @typedef {import('../index').ExperimentUser} ExperimentUser
 * @typedef {import('../index').Variants} Variants
 * @typedef {import('../index').FetchOptions} FetchOptions
 * @typedef {import('../index').RemoteEvaluationConfig} RemoteEvaluationConfig
 */

const LIBRARY = 'experiment-node-server/1.13.6';

/** Where a client keeps what is not part of its public face. */
const INNER = Symbol('experiment');

/** The native client and its mailbox. */
class Inner {
  /**
   * @param {Logger} logger
   * @param {any} httpAgent
   */
  constructor(logger, httpAgent) {
    this.mailbox = new Mailbox((message) => log(logger, message.kind, message.error));
    this.native = new native.RemoteClient(
      this.mailbox.receive,
      httpAgent ? takeOrders({ httpAgent }) : undefined,
    );
  }

  /**
   * @param {import('../native/index').FetchRequest} request
   * @returns {Promise<any>}
   */
  async fetch(request) {
    const body = await this.mailbox.end(this.native.fetch(request), () => this.native.rest());
    return JSON.parse(/** @type {string} */ (body));
  }
}

/**
 * @param {ExperimentUser} user
 * @returns {string}
 */
function userJson(user) {
  const json = JSON.stringify({ library: LIBRARY, ...user });
  // A `toJSON` of the caller's can make anything of it.
  if (typeof json !== 'string') throw new TypeError('the user cannot be written as JSON');
  return json;
}

/**
 * @param {any} value
 * @returns {number | undefined}
 */
function numberOf(value) {
  return isGiven(value) ? Number(value) : undefined;
}

class RemoteEvaluationClient {
  /**
   * @param {string} apiKey
   * @param {RemoteEvaluationConfig} [config]
   */
  constructor(apiKey, config) {
    this.apiKey = apiKey;
    this.config = populateRemoteConfig(config);
    this.logger = new Logger(this.config.logLevel, this.config.loggerProvider);
    Object.defineProperty(this, INNER, { value: new Inner(this.logger, this.config.httpAgent) });
  }

  /**
   * Fetches all variants of a user, default variants included, trying again as configured.
   *
   * @param {ExperimentUser} user
   * @param {FetchOptions} [options]
   * @returns {Promise<Variants>}
   */
  async fetchV2(user, options) {
    if (!this.apiKey) throw new Error('Experiment API key is empty');
    this.logger.debug('[Experiment] Fetching variants for user: ', user);
    const { config } = this;
    const { flagKeys, tracksAssignment, tracksExposure } = options || /** @type {FetchOptions} */ ({});
    const variants = await /** @type {any} */ (this)[INNER].fetch({
      apiKey: String(this.apiKey),
      serverUrl: String(config.serverUrl),
      user: userJson(user),
      flagKeys: flagKeys ? JSON.stringify(flagKeys) : undefined,
      tracksAssignment: isGiven(tracksAssignment) ? Boolean(tracksAssignment) : undefined,
      tracksExposure: isGiven(tracksExposure) ? Boolean(tracksExposure) : undefined,
      timeoutMillis: numberOf(config.fetchTimeoutMillis),
      retries: Number(config.fetchRetries) || 0,
      retryTimeoutMillis: numberOf(config.fetchRetryTimeoutMillis),
      backoffMinMillis: Number(config.fetchRetryBackoffMinMillis) || 0,
      backoffMaxMillis: Number(config.fetchRetryBackoffMaxMillis) || 0,
      backoffScalar: Number(config.fetchRetryBackoffScalar),
    });
    this.logger.debug('[Experiment] Fetched variants: ', variants);
    return toVariants(variants);
  }

  /**
   * As {@link fetchV2}, without default variants and with an empty object for every failure.
   *
   * @deprecated use {@link fetchV2}
   * @param {ExperimentUser} user
   * @param {FetchOptions} [options]
   * @returns {Promise<Variants>}
   */
  async fetch(user, options) {
    try {
      const variants = await this.fetchV2(user, options);
      return Object.fromEntries(
        Object.entries(variants).filter(([, variant]) => !(variant.metadata && variant.metadata.default)),
      );
    } catch (error) {
      this.logger.error('[Experiment] Failed to fetch variants: ', error);
      return {};
    }
  }
}

hideKeys(RemoteEvaluationClient.prototype);

/** @deprecated use {@link RemoteEvaluationClient} */
class ExperimentClient extends RemoteEvaluationClient {}

/**
 * @param {Logger} logger
 * @param {string} event
 * @param {any} error
 */
function log(logger, event, error) {
  if (event === 'retrying') logger.debug('[Experiment] Retrying fetch');
  else if (event === 'failed') logger.error('[Experiment] Fetch failed: ', errorOf(error));
  else if (event === 'retryFailed') logger.error('[Experiment] Retry falied: ', errorOf(error));
  else logger.error(/** @type {any} */ (errorOf(error)));
}

/** @param {unknown} value */
function isGiven(value) {
  return value !== undefined && value !== null;
}

/**
 * @param {any} raw
 * @returns {Variants}
 */
function toVariants(raw) {
  return Object.fromEntries(
    Object.entries(raw).map(([key, variant]) => [key, withTextValue({ ...variant })]),
  );
}

module.exports = { RemoteEvaluationClient, ExperimentClient };
