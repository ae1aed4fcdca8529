'use strict';

/** @type {typeof import('./index')} */
const face = require('./lib').face;

const {
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
} = face;

module.exports = face;

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
