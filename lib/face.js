'use strict';

/** The package's exports. */

const { AmplitudeCookie } = require('./cookie');
const { ExperimentClient, RemoteEvaluationClient } = require('./remote-client');
const { Defaults, RemoteEvaluationDefaults } = require('./config');
const { Experiment } = require('./factory');
const { LocalEvaluationClient } = require('./local-client');
const { LogLevel } = require('./log-level');
const { FlagConfigFetcher } = require('./fetcher');
const { FlagConfigPoller } = require('./poller');
const { InMemoryFlagConfigCache } = require('./flag-config-cache');

/** Exports as callers know them: getters without setters, in this order. */
const all = {
  AmplitudeCookie,
  ExperimentClient,
  RemoteEvaluationClient,
  Defaults,
  RemoteEvaluationDefaults,
  Experiment,
  LocalEvaluationClient,
  LogLevel,
  FlagConfigFetcher,
  FlagConfigPoller,
  InMemoryFlagConfigCache,
};

/** @type {typeof import('../index')} */
const face = Object.defineProperty(/** @type {any} */ ({}), '__esModule', { value: true });
for (const [name, value] of Object.entries(all)) {
  Object.defineProperty(face, name, { enumerable: true, configurable: true, get: () => value });
}

module.exports = { face };
