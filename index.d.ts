/// <reference types="node" />
import type { Agent } from 'https';

/** Who variants are evaluated for. */
export type ExperimentUser = {
  device_id?: string;
  user_id?: string;
  country?: string;
  city?: string;
  region?: string;
  dma?: string;
  language?: string;
  platform?: string;
  version?: string;
  os?: string;
  device_manufacturer?: string;
  device_brand?: string;
  device_model?: string;
  carrier?: string;
  library?: string;
  ip_address?: string;
  user_properties?: {
    [propertyName: string]: string | number | boolean | Array<string | number | boolean>;
  };
  /** Group names by group type; the first of a type counts. */
  groups?: { [groupType: string]: string[] };
  /** Properties by group type and group name. */
  group_properties?: {
    [groupType: string]: {
      [groupName: string]: {
        [propertyName: string]: string | number | boolean | Array<string | number | boolean>;
      };
    };
  };
  /** Looked up by the client where the user has a `user_id`. */
  cohort_ids?: Array<string>;
  /** Looked up by the client for groups. */
  group_cohort_ids?: { [groupType: string]: { [groupName: string]: string[] } };
};

/** What a user gets of a flag or experiment. */
export type Variant = {
  key?: string;
  value?: string;
  payload?: any;
  metadata?: Record<string, unknown>;
};

/** Variants by flag key. */
export type Variants = { [flagKey: string]: Variant };

export type FetchOptions = {
  /** The flags to evaluate; all, where none are named. */
  flagKeys?: string[];
  /** Whether the server tracks an exposure. */
  tracksExposure?: boolean;
  /** Whether the server tracks an assignment. */
  tracksAssignment?: boolean;
};

export type EvaluateOptions = {
  /** Whether an exposure is tracked, if the client has an `exposureConfig`. */
  tracksExposure?: boolean;
};

export type EvaluationVariant = {
  key?: string;
  value?: unknown;
  payload?: unknown;
  metadata?: Record<string, unknown>;
};

export type EvaluationDistribution = { variant: string; range: number[] };
export type EvaluationAllocation = { range: number[]; distributions: EvaluationDistribution[] };
export type EvaluationBucket = { selector: string[]; salt: string; allocations: EvaluationAllocation[] };
export type EvaluationCondition = { selector: string[]; op: string; values: string[] };
export type EvaluationSegment = {
  bucket?: EvaluationBucket;
  conditions?: EvaluationCondition[][];
  variant?: string;
  metadata?: Record<string, unknown>;
};
export type EvaluationFlag = {
  key: string;
  variants: Record<string, EvaluationVariant>;
  segments: EvaluationSegment[];
  dependencies?: string[];
  metadata?: Record<string, unknown>;
};

export type FlagConfig = Record<string, unknown> | EvaluationFlag;

/** Somewhere to keep flag configs. */
export interface FlagConfigCache {
  get(flagKey: string): Promise<FlagConfig>;
  getAll(): Promise<Record<string, FlagConfig>>;
  put(flagKey: string, flagConfig: FlagConfig): Promise<void>;
  putAll(flagConfigs: Record<string, FlagConfig>): Promise<void>;
  delete(flagKey: string): Promise<void>;
  clear(): Promise<void>;
}

export enum LogLevel {
  Disable = 0,
  Error = 1,
  Warn = 2,
  Info = 3,
  Debug = 4,
  Verbose = 5,
}

/** Called with a message and one array of what belongs to it. */
export interface LoggerProvider {
  verbose(message?: string, ...optionalParams: any[]): void;
  debug(message?: string, ...optionalParams: any[]): void;
  info(message?: string, ...optionalParams: any[]): void;
  warn(message?: string, ...optionalParams: any[]): void;
  error(message?: string, ...optionalParams: any[]): void;
}

export interface SimpleResponse {
  status: number;
  body: string;
}

/** A caller's own way of sending requests. */
export interface HttpClient {
  request(
    requestUrl: string,
    method: string,
    headers: Record<string, string>,
    data: string,
    timeoutMillis?: number,
  ): Promise<SimpleResponse>;
}

export type StreamErrorEvent = { message?: string; status?: number };
export type StreamOpenEvent = { type?: string };
export type StreamMessageEvent = { data?: string };
export type StreamEvent = StreamErrorEvent | StreamOpenEvent | StreamMessageEvent;

/** A caller's own stream of server-sent events. */
export interface StreamEventSource {
  readonly CLOSED: number;
  readonly CONNECTING: number;
  readonly OPEN: number;
  readonly url: string;
  readonly readyState: number;
  readonly withCredentials: boolean;
  onopen: (evt: StreamOpenEvent) => unknown;
  onmessage: (evt: StreamMessageEvent) => unknown;
  onerror: (evt: StreamErrorEvent) => unknown;
  close(): void;
}

export type StreamEventSourceFactory = (url: string, params: unknown) => StreamEventSource;

/** How variants are fetched. Times in milliseconds. */
export type RemoteEvaluationConfig = {
  /** @deprecated use `logLevel: LogLevel.Debug` */
  debug?: boolean;
  /** What is logged. Error by default. */
  logLevel?: LogLevel;
  /** Where it is logged. The console by default. */
  loggerProvider?: LoggerProvider;
  /** Tells clients of one key apart. */
  instanceName?: string;
  /** `us` (default) or `eu`. */
  serverZone?: string;
  serverUrl?: string;
  /** Of the first attempt: 10000 by default. */
  fetchTimeoutMillis?: number;
  /** 8 by default. */
  fetchRetries?: number;
  /** 500 by default. */
  fetchRetryBackoffMinMillis?: number;
  /** 10000 by default. */
  fetchRetryBackoffMaxMillis?: number;
  /** 1.5 by default. */
  fetchRetryBackoffScalar?: number;
  /** Of each retry: 10000 by default. */
  fetchRetryTimeoutMillis?: number;
  /** For `https:` URLs. */
  httpAgent?: Agent;
};

/** @deprecated use {@link RemoteEvaluationConfig} */
export type ExperimentConfig = RemoteEvaluationConfig;

/** The tracking plan that events belong to. */
export interface Plan {
  branch?: string;
  source?: string;
  version?: string;
  versionId?: string;
}

/** Where events come from. */
export interface IngestionMetadata {
  sourceName?: string;
  sourceVersion?: string;
}

/** The logger of an analytics pipeline. */
export interface AnalyticsLogger {
  disable(): void;
  enable(logLevel: any): void;
  log(...args: any[]): void;
  warn(...args: any[]): void;
  error(...args: any[]): void;
  debug(...args: any[]): void;
}

/** Somewhere to keep events until they are sent. */
export interface EventStorage {
  isEnabled(): Promise<boolean>;
  get(key: string): Promise<any>;
  getRaw(key: string): Promise<string | undefined>;
  set(key: string, value: any): Promise<void>;
  remove(key: string): Promise<void>;
  reset(): Promise<void>;
}

/** A caller's own way of sending events. */
export interface EventTransport {
  send(serverUrl: string, payload: any): Promise<any>;
}

/** Options of an analytics pipeline. */
export interface NodeOptions {
  flushIntervalMillis?: number;
  flushQueueSize?: number;
  flushMaxRetries?: number;
  instanceName?: string;
  /** 0 none, 1 errors, 2 warnings, 3 verbose, 4 debug. */
  logLevel?: 0 | 1 | 2 | 3 | 4;
  loggerProvider?: AnalyticsLogger;
  minIdLength?: number;
  offline?: boolean;
  optOut?: boolean;
  plan?: Plan;
  ingestionMetadata?: IngestionMetadata;
  requestTimeoutMillis?: number;
  serverUrl?: string;
  serverZone?: 'US' | 'EU' | 'STAGING';
  storageProvider?: EventStorage;
  transportProvider?: EventTransport;
  useBatch?: boolean;
  /** How many bytes of memory waiting events may take before the oldest are dropped. 64 MiB by default. */
  maxQueuedBytes?: number;
  /** How many events may wait before the oldest are dropped. 1,000,000 by default. */
  maxQueuedEvents?: number;
  /** A directory in which waiting events are kept, so that they survive a process that is killed. None by default. */
  spoolDirectory?: string;
  /** How many bytes of disk that may take. 64 MiB by default. */
  spoolMaxBytes?: number;
  /** How many milliseconds waiting events may hold the process up at its natural end. 5000 by default, 0 not at all. */
  exitWaitMillis?: number;
  /** The same at `process.exit()`, which is blocked meanwhile. 500 by default, 0 not at all. */
  exitDrainMillis?: number;
}

export type ExposureConfig = {
  /** The project's API key. */
  apiKey: string;
  /** How many exposures are remembered, so as not to be sent again within a day. 65536 by default. */
  cacheCapacity?: number;
} & NodeOptions;

/** @deprecated use {@link ExposureConfig} */
export type AssignmentConfig = {
  apiKey: string;
  cacheCapacity?: number;
} & NodeOptions;

export type CohortSyncConfig = {
  apiKey: string;
  secretKey: string;
  cohortServerUrl?: string;
  /** Larger cohorts are not downloaded. */
  maxCohortSize?: number;
  /** At least 60000, which is the default. */
  cohortPollingIntervalMillis?: number;
};

/** How flags are kept up to date. Times in milliseconds. */
export type LocalEvaluationConfig = {
  /** @deprecated use `logLevel: LogLevel.Debug` */
  debug?: boolean;
  logLevel?: LogLevel;
  loggerProvider?: LoggerProvider;
  instanceName?: string;
  /** `us` (default) or `eu`. */
  serverZone?: 'us' | 'eu';
  serverUrl?: string;
  /** Flags by key, until the first update. */
  bootstrap?: Record<string, FlagConfig>;
  /** 30000 by default. */
  flagConfigPollingIntervalMillis?: number;
  /** For `https:` URLs. */
  httpAgent?: Agent;
  /** @deprecated use `exposureConfig` */
  assignmentConfig?: AssignmentConfig;
  exposureConfig?: ExposureConfig;
  streamUpdates?: boolean;
  streamServerUrl?: string;
  /** 1500 by default. */
  streamFlagConnTimeoutMillis?: number;
  cohortSyncConfig?: CohortSyncConfig;
  /**
   * Whether clients in other threads of the process that are configured alike share flags, cohorts, synchronisation and
   * event queue with this one. False by default.
   */
  shareAcrossWorkers?: boolean;
};

/** @deprecated nothing reads it; use {@link RemoteEvaluationDefaults} */
export const Defaults: RemoteEvaluationConfig;
export const RemoteEvaluationDefaults: RemoteEvaluationConfig;

/** Reads and writes the cookie in which Amplitude's browser SDKs keep the device id. */
export class AmplitudeCookie {
  /**
   * @param newFormat whether it is that of the Browser SDK 2.0
   * @throws Error if the key is too short
   */
  static cookieName(amplitudeApiKey: string, newFormat?: boolean): string;
  static parse(amplitudeCookie: string, newFormat?: boolean): ExperimentUser;
  static generate(deviceId: string, newFormat?: boolean): string;
}

/** Fetches variants from the server. */
export class RemoteEvaluationClient {
  constructor(apiKey: string, config?: RemoteEvaluationConfig);
  /** All variants of a user, defaults included, tried again as configured. */
  fetchV2(user: ExperimentUser, options?: FetchOptions): Promise<Variants>;
  /** @deprecated use {@link fetchV2} */
  fetch(user: ExperimentUser, options?: FetchOptions): Promise<Variants>;
}

/** @deprecated use {@link RemoteEvaluationClient} */
export class ExperimentClient extends RemoteEvaluationClient {
  constructor(apiKey: string, config?: RemoteEvaluationConfig);
}

export type CohortDescription = {
  cohortId: string;
  groupType: string;
  groupTypeId: number;
  lastComputed: number;
  lastModified: number;
  size: number;
};
export type Cohort = CohortDescription & { memberIds: Set<string> };

export interface CohortStorage {
  getAllCohortIds(): Set<string>;
  getCohort(cohortId: string): Cohort | undefined;
  getCohortsForUser(userId: string, cohortIds: Set<string>): Set<string>;
  getCohortsForGroup(groupType: string, groupName: string, cohortIds: Set<string>): Set<string>;
  put(cohort: Cohort): void;
  delete(cohortId: string): void;
}

export class InMemoryCohortStorage implements CohortStorage {
  readonly store: Record<string, Cohort>;
  getAllCohortIds(): Set<string>;
  getCohort(cohortId: string): Cohort | undefined;
  getCohortsForUser(userId: string, cohortIds: Set<string>): Set<string>;
  getCohortsForGroup(groupType: string, groupName: string, cohortIds: Set<string>): Set<string>;
  put(cohort: Cohort): void;
  delete(cohortId: string): void;
}

/** Flag configs in memory, every write going through to an optional store. */
export class InMemoryFlagConfigCache implements FlagConfigCache {
  constructor(store?: FlagConfigCache, flagConfigs?: Record<string, FlagConfig>);
  getAllCached(): Record<string, FlagConfig>;
  get(flagKey: string): Promise<FlagConfig>;
  getAll(): Promise<Record<string, FlagConfig>>;
  put(flagKey: string, flagConfig: FlagConfig): Promise<void>;
  putAll(flagConfigs: Record<string, FlagConfig>): Promise<void>;
  delete(flagKey: string): Promise<void>;
  clear(): Promise<void>;
}

/** Evaluates users in this process, with flags kept up to date in the background. */
export class LocalEvaluationClient {
  readonly cache: InMemoryFlagConfigCache;
  readonly cohortStorage: InMemoryCohortStorage;
  protected readonly config: LocalEvaluationConfig;
  constructor(
    apiKey: string,
    config?: LocalEvaluationConfig,
    flagConfigCache?: FlagConfigCache,
    httpClient?: HttpClient,
    streamEventSourceFactory?: StreamEventSourceFactory,
  );
  /** The variants of a user, defaults included; of all flags, where no keys are given. */
  evaluateV2(user: ExperimentUser, flagKeys?: string[], options?: EvaluateOptions): Record<string, Variant>;
  /** @deprecated use {@link evaluateV2} */
  evaluate(user: ExperimentUser, flagKeys?: string[], options?: EvaluateOptions): Promise<Variants>;
  /** Fetches flags and cohorts and keeps them up to date from then on. */
  start(): Promise<void>;
  /** Ends all synchronisation; nothing is installed afterwards. */
  stop(): void;
  /** Resolves when every exposure and assignment tracked so far is delivered or dropped. */
  flush(): Promise<void>;
  /** Ends synchronisation and delivers what has been tracked, for five seconds unless told otherwise. */
  close(options?: { timeoutMillis?: number }): Promise<void>;
  protected enrichUserWithCohorts(user: ExperimentUser, flags: Record<string, FlagConfig>): void;
  protected checkFlagsCohortsAvailable(cohortIdsByFlag: Record<string, Set<string>>): boolean;
}

/** Makes clients, one for each key and instance name. */
export const Experiment: {
  /** @deprecated use `initializeRemote` */
  initialize: (apiKey: string, config?: RemoteEvaluationConfig) => ExperimentClient;
  initializeRemote: (apiKey: string, config?: RemoteEvaluationConfig) => RemoteEvaluationClient;
  initializeLocal: (apiKey: string, config?: LocalEvaluationConfig) => LocalEvaluationClient;
};

/** Fetches all flag configs of a deployment. */
export class FlagConfigFetcher {
  constructor(
    apiKey: string,
    httpClient: HttpClient,
    serverUrl?: string,
    logLevel?: LogLevel,
    loggerProvider?: LoggerProvider,
  );
  fetch(): Promise<Record<string, FlagConfig>>;
  /** Hands the JSON text of every later answer to a function. */
  setRawReceiver(rawReceiver: (rules: string) => void): void;
}

/** Downloads cohorts: what has changed since `lastModified`, or nothing. */
export interface CohortFetcher {
  fetch(cohortId: string, lastModified?: number): Promise<Cohort | undefined>;
}

/** Keeps a cache up to date by polling. */
export class FlagConfigPoller {
  protected readonly logger: LoggerProvider;
  readonly fetcher: FlagConfigFetcher;
  readonly cache: FlagConfigCache;
  readonly cohortStorage: CohortStorage;
  readonly cohortFetcher?: CohortFetcher;
  constructor(
    fetcher: FlagConfigFetcher,
    cache: FlagConfigCache,
    cohortStorage: CohortStorage,
    cohortFetcher?: CohortFetcher,
    pollingIntervalMillis?: number,
    logLevel?: LogLevel,
    loggerProvider?: LoggerProvider,
  );
  start(onChange?: (cache: FlagConfigCache) => Promise<void>): Promise<void>;
  stop(): void;
  update(onChange?: (cache: FlagConfigCache) => Promise<void>): Promise<void>;
  protected _update(
    flagConfigs: Record<string, FlagConfig>,
    onChange?: (cache: FlagConfigCache) => Promise<void>,
  ): Promise<void>;
  protected downloadNewCohorts(cohortIds: Set<string>): Promise<Set<string>>;
  protected removeUnusedCohorts(validCohortIds: Set<string>): Promise<void>;
}
