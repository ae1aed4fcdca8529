/** A program written against the package that this one replaces, with only the name of the import changed. */

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
} from 'experiment';

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
  public enrichUserWithCohorts(subject: ExperimentUser, flags: Record<string, FlagConfig>): void {
    super.enrichUserWithCohorts(subject, flags);
    console.log(this.config.serverUrl);
  }
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
  const poller = new FlagConfigPoller(
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
