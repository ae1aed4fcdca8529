/**
 * What we export can stand wherever the types of the package that this one replaces are asked for, and theirs where ours
 * are. Its classes have private members, which no other class can have: of those, the public side is compared.
 */

import type * as upstream from '@amplitude/experiment-node-server';
import type * as upstreamClient from '@amplitude/experiment-node-server/dist/src/local/client';
import type * as upstreamStorage from '@amplitude/experiment-node-server/dist/src/local/cohort/storage';
import type * as upstreamStream from '@amplitude/experiment-node-server/dist/src/transport/stream';
import type * as upstreamCohort from '@amplitude/experiment-node-server/dist/src/types/cohort';
import type * as upstreamConfig from '@amplitude/experiment-node-server/dist/src/types/config';
import type * as upstreamTransport from '@amplitude/experiment-node-server/dist/src/types/transport';
import type * as upstreamLogger from '@amplitude/experiment-node-server/dist/src/util/logger';
import type { EvaluationFlag as UpstreamFlag } from '@amplitude/experiment-core';
import type * as ours from 'experiment';
import type * as oursDeep from '../../dist/src/deep';

/** Fails to compile unless the first can be used as the second. */
type Assignable<From extends To, To> = From;
/** Fails to compile unless each can be used as the other. */
type Both<A extends B, B extends C, C = A> = [A, B, C];
/** What of a class others can see. */
type Public<T> = Pick<T, keyof T>;

/** Types that can stand for each other. */
export type Exchangeable = [
  Both<ours.ExperimentUser, upstream.ExperimentUser>,
  Both<ours.Variant, upstream.Variant>,
  Both<ours.Variants, upstream.Variants>,
  Both<ours.FetchOptions, upstream.FetchOptions>,
  Both<ours.EvaluateOptions, upstreamClient.EvaluateOptions>,
  Both<ours.FlagConfig, upstream.FlagConfig>,
  Both<ours.EvaluationFlag, UpstreamFlag>,
  Both<ours.FlagConfigCache, upstream.FlagConfigCache>,
  Both<ours.LoggerProvider, upstream.LoggerProvider>,
  Both<ours.LogLevel, upstream.LogLevel>,
  Both<ours.RemoteEvaluationConfig, upstream.RemoteEvaluationConfig>,
  Both<ours.ExperimentConfig, upstream.ExperimentConfig>,
  Both<ours.LocalEvaluationConfig, upstream.LocalEvaluationConfig>,
  Both<ours.AssignmentConfig, upstream.AssignmentConfig>,
  Both<ours.ExposureConfig, upstreamConfig.ExposureConfig>,
  Both<ours.CohortSyncConfig, upstreamConfig.CohortSyncConfig>,
  Both<ours.HttpClient, upstreamTransport.HttpClient>,
  Both<ours.SimpleResponse, upstreamTransport.SimpleResponse>,
  Both<ours.StreamEventSource, upstreamStream.StreamEventSource>,
  Both<ours.StreamEventSourceFactory, upstreamStream.StreamEventSourceFactory>,
  Both<ours.StreamEvent, upstreamStream.StreamEvent>,
  Both<ours.Cohort, upstreamCohort.Cohort>,
  Both<ours.CohortDescription, upstreamCohort.CohortDescription>,
  Both<ours.CohortStorage, upstreamCohort.CohortStorage>,
  Both<ours.InMemoryCohortStorage, upstreamStorage.InMemoryCohortStorage>,
  Both<Public<ours.InMemoryFlagConfigCache>, Public<upstream.InMemoryFlagConfigCache>>,
  Both<Public<ours.FlagConfigFetcher>, Public<upstream.FlagConfigFetcher>>,
  Both<Public<ours.RemoteEvaluationClient>, Public<upstream.RemoteEvaluationClient>>,
  Both<Public<ours.ExperimentClient>, Public<upstream.ExperimentClient>>,
  Both<oursDeep.ConsoleLogger, upstreamLogger.ConsoleLogger>,
  Both<Public<oursDeep.AmplitudeLogger>, Public<upstreamLogger.AmplitudeLogger>>,
  Both<typeof oursDeep.EU_SERVER_URLS, typeof upstreamConfig.EU_SERVER_URLS>,
  Both<typeof oursDeep.LocalEvaluationDefaults, typeof upstreamConfig.LocalEvaluationDefaults>,
  Both<typeof oursDeep.CohortSyncConfigDefaults, typeof upstreamConfig.CohortSyncConfigDefaults>,
  Both<typeof oursDeep.USER_GROUP_TYPE, typeof upstreamCohort.USER_GROUP_TYPE>,
];

/** The parts of a local client whose types are classes with private members, which only their own package can make. */
type Members<T> = { [Name in keyof T]: Name extends 'cache' | 'cohortStorage' ? Public<T[Name]> : T[Name] };

/** Ours, which do more, in the place of theirs. */
export type Ours = [
  Assignable<Members<ours.LocalEvaluationClient>, Members<upstream.LocalEvaluationClient>>,
  Assignable<
    Omit<ours.FlagConfigPoller, 'fetcher' | 'cohortFetcher'>,
    Omit<upstream.FlagConfigPoller, 'fetcher' | 'cohortFetcher'>
  >,
  Assignable<typeof ours.AmplitudeCookie, Omit<typeof upstream.AmplitudeCookie, never>>,
];

/** What theirs are made with makes ours. */
export type Made = [
  Assignable<
    ConstructorParameters<typeof upstream.LocalEvaluationClient>,
    ConstructorParameters<typeof ours.LocalEvaluationClient>
  >,
  Assignable<
    ConstructorParameters<typeof upstream.RemoteEvaluationClient>,
    ConstructorParameters<typeof ours.RemoteEvaluationClient>
  >,
  Assignable<
    ConstructorParameters<typeof upstream.ExperimentClient>,
    ConstructorParameters<typeof ours.ExperimentClient>
  >,
  Assignable<
    ConstructorParameters<typeof upstream.FlagConfigFetcher>,
    ConstructorParameters<typeof ours.FlagConfigFetcher>
  >,
  Assignable<
    ConstructorParameters<typeof upstream.InMemoryFlagConfigCache>,
    ConstructorParameters<typeof ours.InMemoryFlagConfigCache>
  >,
  Assignable<
    Parameters<typeof upstream.Experiment.initializeLocal>,
    Parameters<typeof ours.Experiment.initializeLocal>
  >,
  Assignable<
    Parameters<typeof upstream.Experiment.initializeRemote>,
    Parameters<typeof ours.Experiment.initializeRemote>
  >,
];
