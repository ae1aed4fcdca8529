'use strict';

/**
 * What the files below `dist/src` export: the whole face, and what the package that this one replaces exports from its
 * inner files alone. Editors import from those paths by themselves, so programs have them. Every file exports everything;
 * `dist/src/deep.d.ts` says the same in types.
 */

const { face } = require('./face');
const { AmplitudeCookie, ExperimentClient, RemoteEvaluationClient, Defaults } = face;
const { RemoteEvaluationDefaults, Experiment, LocalEvaluationClient, LogLevel } = face;
const { FlagConfigFetcher, FlagConfigPoller, InMemoryFlagConfigCache } = face;
const { InMemoryCohortStorage, USER_GROUP_TYPE } = require('./cohort-storage');
const { LocalEvaluationDefaults, AssignmentConfigDefaults, ExposureConfigDefaults } = require('./config');
const { CohortSyncConfigDefaults, EU_SERVER_URLS } = require('./config');
const { ConsoleLogger, Logger: AmplitudeLogger } = require('./logger');

// Names alone, so that Node finds what ESM may import.
module.exports = {
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
  LocalEvaluationDefaults,
  AssignmentConfigDefaults,
  ExposureConfigDefaults,
  CohortSyncConfigDefaults,
  EU_SERVER_URLS,
  USER_GROUP_TYPE,
  InMemoryCohortStorage,
  ConsoleLogger,
  AmplitudeLogger,
};
