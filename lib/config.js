'use strict';

const { ConsoleLogger } = require('./logger');
const { LogLevel } = require('./log-level');
const { hideKeys } = require('./redact');

/**
 * What clients are configured with, and how a caller's configuration is completed.
 *
 * @typedef {import('../index').RemoteEvaluationConfig} RemoteEvaluationConfig
 * @typedef {import('../index').LocalEvaluationConfig} LocalEvaluationConfig
 */

const REMOTE_URLS = { us: 'https://api.lab.amplitude.com', eu: 'https://api.lab.eu.amplitude.com' };
const FLAG_URLS = { us: 'https://api.lab.amplitude.com', eu: 'https://flag.lab.eu.amplitude.com' };
const STREAM_URLS = { us: 'https://stream.lab.amplitude.com', eu: 'https://stream.lab.eu.amplitude.com' };
const COHORT_URLS = {
  us: 'https://cohort-v2.lab.amplitude.com',
  eu: 'https://cohort-v2.lab.eu.amplitude.com',
};

/** Cohorts are polled no more often than this. */
const COHORT_POLLING_INTERVAL_MIN_MILLIS = 60000;

function remoteDefaults() {
  return {
    debug: false,
    logLevel: LogLevel.Error,
    loggerProvider: new ConsoleLogger(),
    instanceName: undefined,
    serverZone: 'us',
    serverUrl: REMOTE_URLS.us,
    fetchTimeoutMillis: 10000,
    fetchRetries: 8,
    fetchRetryBackoffMinMillis: 500,
    fetchRetryBackoffMaxMillis: 10000,
    fetchRetryBackoffScalar: 1.5,
    fetchRetryTimeoutMillis: 10000,
    httpAgent: /** @type {any} */ (null),
  };
}

const RemoteEvaluationDefaults = remoteDefaults();
/** @deprecated use {@link RemoteEvaluationDefaults}; nothing reads it */
const Defaults = remoteDefaults();

const LocalEvaluationDefaults = {
  debug: false,
  logLevel: LogLevel.Error,
  loggerProvider: new ConsoleLogger(),
  serverZone: 'us',
  serverUrl: FLAG_URLS.us,
  bootstrap: /** @type {Record<string, any>} */ ({}),
  flagConfigPollingIntervalMillis: 30000,
  httpAgent: /** @type {any} */ (null),
  streamUpdates: false,
  streamServerUrl: STREAM_URLS.us,
  streamFlagConnTimeoutMillis: 1500,
};

const AssignmentConfigDefaults = { cacheCapacity: 65536 };
const ExposureConfigDefaults = { cacheCapacity: 65536 };
const CohortSyncConfigDefaults = {
  cohortServerUrl: COHORT_URLS.us,
  maxCohortSize: 2147483647,
  cohortPollingIntervalMillis: COHORT_POLLING_INTERVAL_MIN_MILLIS,
};

const EU_SERVER_URLS = {
  name: 'eu',
  remote: REMOTE_URLS.eu,
  flags: FLAG_URLS.eu,
  stream: STREAM_URLS.eu,
  cohort: COHORT_URLS.eu,
};

/**
 * @param {RemoteEvaluationConfig | null | undefined} custom
 * @returns {any}
 */
function populateRemoteConfig(custom) {
  /** @type {any} */
  const config = { ...RemoteEvaluationDefaults, ...custom };
  complete(config);
  if (!custom || !custom.serverUrl) config.serverUrl = urlOf(REMOTE_URLS, config);
  return hideKeys(config);
}

/**
 * @param {LocalEvaluationConfig | null | undefined} custom
 * @returns {any}
 */
function populateLocalConfig(custom) {
  /** @type {any} */
  const config = { ...LocalEvaluationDefaults, ...custom };
  // Every client starts from flags of its own.
  if (config.bootstrap === LocalEvaluationDefaults.bootstrap) config.bootstrap = {};
  complete(config);
  if (!custom || !custom.serverUrl) config.serverUrl = urlOf(FLAG_URLS, config);
  if (!custom || !custom.streamServerUrl) config.streamServerUrl = urlOf(STREAM_URLS, config);
  if (config.cohortSyncConfig) completeCohorts(config);
  if (config.assignmentConfig) {
    config.assignmentConfig = { ...AssignmentConfigDefaults, ...config.assignmentConfig };
  }
  return hideKeys(config);
}

/**
 * Which log level and which zone the configuration means.
 * @param {any} config
 */
function complete(config) {
  if (config.debug) config.logLevel = LogLevel.Debug;
  config.serverZone = config.serverZone.toLowerCase() === 'eu' ? 'eu' : 'us';
}

/**
 * The cohort server's URL is written into the caller's own object, as it always was, where that can be written to.
 * @param {any} config
 */
function completeCohorts(config) {
  if (config.cohortSyncConfig.cohortServerUrl) return;
  const cohortServerUrl = urlOf(COHORT_URLS, config);
  if (!Reflect.set(config.cohortSyncConfig, 'cohortServerUrl', cohortServerUrl)) {
    config.cohortSyncConfig = { ...config.cohortSyncConfig, cohortServerUrl };
  }
}

/**
 * @param {{ us: string, eu: string }} urls
 * @param {{ serverZone: 'us' | 'eu' }} config
 */
function urlOf(urls, config) {
  return urls[config.serverZone];
}

/** @param {number | null | undefined} millis */
function cohortPollingInterval(millis) {
  return Math.max(
    COHORT_POLLING_INTERVAL_MIN_MILLIS,
    millis === undefined || millis === null ? COHORT_POLLING_INTERVAL_MIN_MILLIS : millis,
  );
}

module.exports = {
  Defaults,
  RemoteEvaluationDefaults,
  LocalEvaluationDefaults,
  AssignmentConfigDefaults,
  ExposureConfigDefaults,
  CohortSyncConfigDefaults,
  EU_SERVER_URLS,
  FLAG_URLS,
  populateRemoteConfig,
  populateLocalConfig,
  cohortPollingInterval,
};
