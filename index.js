'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

const { AmplitudeCookie } = require('./lib/cookie');
const { ExperimentClient, RemoteEvaluationClient } = require('./lib/remote-client');
const { Defaults, RemoteEvaluationDefaults } = require('./lib/config');
const { Experiment } = require('./lib/factory');
const { LocalEvaluationClient } = require('./lib/local-client');
const { LogLevel } = require('./lib/log-level');
const { FlagConfigFetcher } = require('./lib/fetcher');
const { FlagConfigPoller } = require('./lib/poller');
const { InMemoryFlagConfigCache } = require('./lib/flag-config-cache');

// Getters without setters, in the order that callers know, in the form that ESM named imports are found by.
Object.defineProperty(exports, 'AmplitudeCookie', {
  enumerable: true,
  configurable: true,
  get: function () {
    return AmplitudeCookie;
  },
});
Object.defineProperty(exports, 'ExperimentClient', {
  enumerable: true,
  configurable: true,
  get: function () {
    return ExperimentClient;
  },
});
Object.defineProperty(exports, 'RemoteEvaluationClient', {
  enumerable: true,
  configurable: true,
  get: function () {
    return RemoteEvaluationClient;
  },
});
Object.defineProperty(exports, 'Defaults', {
  enumerable: true,
  configurable: true,
  get: function () {
    return Defaults;
  },
});
Object.defineProperty(exports, 'RemoteEvaluationDefaults', {
  enumerable: true,
  configurable: true,
  get: function () {
    return RemoteEvaluationDefaults;
  },
});
Object.defineProperty(exports, 'Experiment', {
  enumerable: true,
  configurable: true,
  get: function () {
    return Experiment;
  },
});
Object.defineProperty(exports, 'LocalEvaluationClient', {
  enumerable: true,
  configurable: true,
  get: function () {
    return LocalEvaluationClient;
  },
});
Object.defineProperty(exports, 'LogLevel', {
  enumerable: true,
  configurable: true,
  get: function () {
    return LogLevel;
  },
});
Object.defineProperty(exports, 'FlagConfigFetcher', {
  enumerable: true,
  configurable: true,
  get: function () {
    return FlagConfigFetcher;
  },
});
Object.defineProperty(exports, 'FlagConfigPoller', {
  enumerable: true,
  configurable: true,
  get: function () {
    return FlagConfigPoller;
  },
});
Object.defineProperty(exports, 'InMemoryFlagConfigCache', {
  enumerable: true,
  configurable: true,
  get: function () {
    return InMemoryFlagConfigCache;
  },
});
