'use strict';

const { AmplitudeCookie } = require('./lib/cookie');
const { ExperimentClient, RemoteEvaluationClient } = require('./lib/remote-client');
const { Defaults, RemoteEvaluationDefaults } = require('./lib/config');
const { Experiment } = require('./lib/factory');
const { LocalEvaluationClient } = require('./lib/local-client');
const { LogLevel } = require('./lib/log-level');
const { FlagConfigFetcher } = require('./lib/fetcher');
const { FlagConfigPoller } = require('./lib/poller');
const { InMemoryFlagConfigCache } = require('./lib/flag-config-cache');

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

Object.defineProperty(exports, '__esModule', { value: true });
for (const [name, value] of Object.entries(all)) {
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => value });
}

// Never runs: it is how Node finds the names that ESM may import.
0 &&
  (module.exports = {
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
  });
