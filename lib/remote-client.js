'use strict';

const { populateRemoteConfig } = require('./config');
const { withTextValue } = require('./evaluation/templates');
const { errorOf } = require('./errors');
const { JsTransport } = require('./js-transport');
const { Logger } = require('./logger');
const native = require('./native');

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

class RemoteEvaluationClient {
  /**
   * @param {string} apiKey
   * @param {RemoteEvaluationConfig} [config]
   */
  constructor(apiKey, config) {
    this.apiKey = apiKey;
    this.config = populateRemoteConfig(config);
    this.logger = new Logger(this.config.logLevel, this.config.loggerProvider);
    const transport = this.config.httpAgent ? new JsTransport({ agent: this.config.httpAgent }) : undefined;
    Object.defineProperty(this, INNER, {
      value: new native.RemoteClient(transport && ((request) => transport.send(request))),
    });
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
    let body;
    try {
      body = await /** @type {any} */ (this)[INNER].fetch(
        {
          apiKey: String(this.apiKey),
          serverUrl: String(config.serverUrl),
          user: JSON.stringify({ library: LIBRARY, ...user }),
          flagKeys: flagKeys ? JSON.stringify(flagKeys) : undefined,
          tracksAssignment: isGiven(tracksAssignment) ? Boolean(tracksAssignment) : undefined,
          tracksExposure: isGiven(tracksExposure) ? Boolean(tracksExposure) : undefined,
          timeoutMillis: config.fetchTimeoutMillis,
          retries: config.fetchRetries,
          retryTimeoutMillis: config.fetchRetryTimeoutMillis,
          backoffMinMillis: config.fetchRetryBackoffMinMillis,
          backoffMaxMillis: config.fetchRetryBackoffMaxMillis,
          backoffScalar: config.fetchRetryBackoffScalar,
        },
        (/** @type {string} */ event, /** @type {any} */ error) => this.#log(event, error),
      );
    } catch (error) {
      throw errorOf(error);
    }
    const variants = JSON.parse(body);
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

  /**
   * @param {string} event
   * @param {any} error
   */
  #log(event, error) {
    switch (event) {
      case 'failed':
        return this.logger.error('[Experiment] Fetch failed: ', errorOf(error));
      case 'retrying':
        return this.logger.debug('[Experiment] Retrying fetch');
      case 'retryFailed':
        return this.logger.error('[Experiment] Retry falied: ', errorOf(error));
      default:
        return this.logger.error(/** @type {any} */ (errorOf(error)));
    }
  }
}

/** @deprecated use {@link RemoteEvaluationClient} */
class ExperimentClient extends RemoteEvaluationClient {}

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
