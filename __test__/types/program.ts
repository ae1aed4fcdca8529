/**
 * A program written against the package that this one replaces. It is compiled as it is against either: what it imports
 * stands for what editors import by themselves, inner files included.
 */

import * as https from 'https';
import {
  AmplitudeCookie,
  AssignmentConfig,
  Defaults,
  Experiment,
  ExperimentClient,
  ExperimentConfig,
  ExperimentUser,
  FetchOptions,
  FlagConfig,
  FlagConfigCache,
  FlagConfigFetcher,
  FlagConfigPoller,
  InMemoryFlagConfigCache,
  LocalEvaluationClient,
  LocalEvaluationConfig,
  LoggerProvider,
  LogLevel,
  RemoteEvaluationClient,
  RemoteEvaluationConfig,
  RemoteEvaluationDefaults,
  Variant,
  Variants,
} from '@amplitude/experiment-node-server';
import { AmplitudeCookie as DeepCookie } from '@amplitude/experiment-node-server/dist/src/cookie';
import { Experiment as DeepExperiment } from '@amplitude/experiment-node-server/dist/src/factory';
import { LogLevel as RootLogLevel } from '@amplitude/experiment-node-server/dist/src/index';
import { InMemoryFlagConfigCache as DeepCache } from '@amplitude/experiment-node-server/dist/src/local/cache';
import {
  EvaluateOptions,
  LocalEvaluationClient as DeepLocal,
} from '@amplitude/experiment-node-server/dist/src/local/client';
import { InMemoryCohortStorage } from '@amplitude/experiment-node-server/dist/src/local/cohort/storage';
import { FlagConfigFetcher as DeepFetcher } from '@amplitude/experiment-node-server/dist/src/local/fetcher';
import { FlagConfigPoller as DeepPoller } from '@amplitude/experiment-node-server/dist/src/local/poller';
import { RemoteEvaluationClient as DeepRemote } from '@amplitude/experiment-node-server/dist/src/remote/client';
import {
  StreamErrorEvent,
  StreamEventSource,
  StreamEventSourceFactory,
} from '@amplitude/experiment-node-server/dist/src/transport/stream';
import { Cohort, USER_GROUP_TYPE } from '@amplitude/experiment-node-server/dist/src/types/cohort';
import {
  CohortSyncConfig,
  ExposureConfig,
  LocalEvaluationDefaults,
} from '@amplitude/experiment-node-server/dist/src/types/config';
import { FetchOptions as DeepFetchOptions } from '@amplitude/experiment-node-server/dist/src/types/fetch';
import { FlagConfig as DeepFlag } from '@amplitude/experiment-node-server/dist/src/types/flag';
import { LogLevel as DeepLogLevel } from '@amplitude/experiment-node-server/dist/src/types/loglevel';
import { HttpClient, SimpleResponse } from '@amplitude/experiment-node-server/dist/src/types/transport';
import { ExperimentUser as DeepUser } from '@amplitude/experiment-node-server/dist/src/types/user';
import { Variant as DeepVariant } from '@amplitude/experiment-node-server/dist/src/types/variant';
import {
  ConsoleLogger,
  LoggerProvider as DeepLogger,
} from '@amplitude/experiment-node-server/dist/src/util/logger';

const user: ExperimentUser = {
  user_id: 'u',
  user_properties: { plan: 'pro', age: 3, beta: true, tags: ['a', 1, false] },
  groups: { org: ['acme'] },
  group_properties: { org: { acme: { size: 5 } } },
};

class Logger implements LoggerProvider {
  verbose(message?: string, ...rest: unknown[]): void {
    console.log(message, rest);
  }
  debug = this.verbose;
  info = this.verbose;
  warn = this.verbose;
  error = this.verbose;
}

const assignmentConfig: AssignmentConfig = { apiKey: 'key', flushQueueSize: 5 };
const local: LocalEvaluationConfig = {
  logLevel: LogLevel.Debug,
  loggerProvider: new Logger(),
  bootstrap: { a: { key: 'a', variants: {}, segments: [] } },
  httpAgent: new https.Agent({ keepAlive: true }),
  assignmentConfig,
  exposureConfig: { apiKey: 'key' },
  cohortSyncConfig: { apiKey: 'a', secretKey: 's' },
};
const remote: RemoteEvaluationConfig = { ...RemoteEvaluationDefaults, fetchRetries: 1 };
const old: ExperimentConfig = { ...Defaults, debug: true };

class Enriching extends LocalEvaluationClient {
  public enrichUserWithCohorts(subject: ExperimentUser, flags: Record<string, any>): void {
    super.enrichUserWithCohorts(subject, flags);
    console.log(this.config.serverUrl);
  }

  protected checkFlagsCohortsAvailable(cohortIdsByFlag: Record<string, Set<string>>): boolean {
    return super.checkFlagsCohortsAvailable(cohortIdsByFlag);
  }
}

class Watching extends FlagConfigPoller {
  protected async _update(
    flagConfigs: Record<string, FlagConfig>,
    onChange?: (cache: FlagConfigCache) => Promise<void>,
  ): Promise<void> {
    const failed: Set<string> = await this.downloadNewCohorts(new Set(['c']));
    this.logger.debug('failed', failed);
    await super._update(flagConfigs, onChange);
    await this.removeUnusedCohorts(failed);
  }
}

/** A caller's own HTTP client, stream and logger, typed by the inner files. */
class Client implements HttpClient {
  async request(
    requestUrl: string,
    method: string,
    headers: Record<string, string>,
    body: string,
    timeoutMillis?: number,
  ): Promise<SimpleResponse> {
    console.log(requestUrl, method, headers, body, timeoutMillis);
    return { status: 200, body: '[]' };
  }
}

const factory: StreamEventSourceFactory = (url: string, params: unknown): StreamEventSource => {
  console.log(params);
  return {
    CLOSED: 2,
    CONNECTING: 0,
    OPEN: 1,
    url,
    readyState: 0,
    withCredentials: false,
    onopen: () => undefined,
    onmessage: () => undefined,
    onerror: (event: StreamErrorEvent) => console.log(event.status, event.message),
    close: () => undefined,
  };
};

const exposureConfig: ExposureConfig = { apiKey: 'key', cacheCapacity: 5, serverZone: 'EU', useBatch: true };
const cohortSyncConfig: CohortSyncConfig = { apiKey: 'a', secretKey: 's', maxCohortSize: 10 };
const logger: DeepLogger = new ConsoleLogger();
const evaluateOptions: EvaluateOptions = { tracksExposure: true };
const fetchOptions: DeepFetchOptions = { flagKeys: ['a'] };
const cohort: Cohort = {
  cohortId: 'c',
  groupType: USER_GROUP_TYPE,
  groupTypeId: 0,
  lastComputed: 0,
  lastModified: 0,
  size: 1,
  memberIds: new Set(['u']),
};

export function inner(subject: DeepUser): DeepVariant {
  const client = new DeepLocal(
    'key',
    { ...LocalEvaluationDefaults, exposureConfig, cohortSyncConfig, loggerProvider: logger },
    new DeepCache(undefined, { a: { key: 'a' } as DeepFlag }),
    new Client(),
    factory,
  );
  const storage: InMemoryCohortStorage = client.cohortStorage;
  storage.put(cohort);
  const poller = new DeepPoller(
    new DeepFetcher('key', new Client(), 'https://host', DeepLogLevel.Error, logger),
    client.cache,
    storage,
  );
  poller.stop();
  const level: RootLogLevel = DeepLogLevel.Warn;
  console.log(DeepCookie.generate('d'), DeepExperiment.initializeRemote('k') instanceof DeepRemote, level);
  void new DeepRemote('k').fetchV2(subject, fetchOptions);
  return client.evaluateV2(subject, ['a'], evaluateOptions)['a'];
}

export async function main(): Promise<Variant | undefined> {
  const client: LocalEvaluationClient = Experiment.initializeLocal('key', local);
  await client.start();
  const variants: Record<string, Variant> = client.evaluateV2(user, ['a'], { tracksExposure: true });
  const assigned: Variants = await client.evaluate(user);
  const flags: Record<string, FlagConfig> = client.cache.getAllCached();
  const members: Set<string> | undefined = client.cohortStorage.getCohort('c')?.memberIds;
  client.stop();

  const options: FetchOptions = { flagKeys: ['a'], tracksExposure: false, tracksAssignment: true };
  const fetcher: RemoteEvaluationClient = Experiment.initializeRemote('key', remote);
  const fetched: Variants = await fetcher.fetchV2(user, options);
  const deprecated = new ExperimentClient('key', old);
  await deprecated.fetch(user);

  const cache: FlagConfigCache = new InMemoryFlagConfigCache(undefined, flags);
  const poller = new Watching(
    new FlagConfigFetcher('key', { request: async () => ({ status: 200, body: '[]' }) }),
    cache,
    client.cohortStorage,
  );
  await poller.start(async (changed) => console.log(await changed.getAll()));
  poller.stop();

  const cookie: ExperimentUser = AmplitudeCookie.parse(AmplitudeCookie.generate('device'), true);
  console.log(AmplitudeCookie.cookieName('1234567890', true), cookie.device_id, members, assigned);
  new Enriching('key', local).enrichUserWithCohorts(user, flags);
  return variants['a'] ?? fetched['a'];
}
