'use strict';

const { cohortIds } = require('./cohort-ids');
const { populateLocalConfig } = require('./config');
const { hidesIdentity, inheritGroups } = require('./evaluation/context');
const { Engine } = require('./evaluation/engine');
const { InMemoryFlagConfigCache } = require('./flag-config-cache');
const { InMemoryCohortStorage } = require('./cohort-storage');
const { Logger } = require('./logger');
const { LogLevel } = require('./log-level');
const { Link } = require('./link');
const { hideKeys } = require('./redact');
const { Kinds, subjectOf, track } = require('./tracking');

/** How long `close` waits for deliveries. */
const CLOSE_MILLIS = 5000;

/**
 * Local evaluation: flag configs are kept up to date in the background, and `evaluateV2` answers at once.
 *
 * @typedef {import('../index').ExperimentUser} ExperimentUser
 * @typedef {import('../index').Variants} Variants
 * @typedef {import('../index').EvaluateOptions} EvaluateOptions
 * @typedef {import('../index').LocalEvaluationConfig} LocalEvaluationConfig
 */

/** Where a client keeps what is not part of its public face. */
const INNER = Symbol('experiment');

/** What one client works with. */
class Inner {
  /**
   * @param {LocalEvaluationClient} client
   * @param {Link} link
   * @param {Logger} logger
   * @param {boolean} logsUsers
   */
  constructor(client, link, logger, logsUsers) {
    this.link = link;
    this.logsUsers = logsUsers;
    this.logger = logger;
    /** What every evaluation tracks, and what one that asks for it tracks besides. */
    this.tracksAlways = link.config.assignmentConfig ? Kinds.Assignment : 0;
    this.tracksExposures = link.config.exposureConfig ? Kinds.Exposure : 0;
    const tracks = Boolean(this.tracksAlways | this.tracksExposures);
    this.engine = new Engine(
      link,
      tracks,
      (...problem) => logger.error(...problem),
      (user) => enriched(client, user),
    );
    /** @type {import('./cohort-ids').Known} of the flags in the cache */
    this.askedCohorts = new WeakMap();
    /** @type {Record<string, any> | undefined} the cache's flags, while a user is enriched by them */
    this.cached = undefined;
    link.flags.onChange = () => {
      this.askedCohorts = new WeakMap();
      this.engine.outdate();
    };
    link.onInstalled = () => this.engine.prepare();
    link.evaluated = () => this.engine.ready();
  }
}

class LocalEvaluationClient {
  /**
   * @param {string} apiKey
   * @param {LocalEvaluationConfig} [config]
   * @param {import('../index').FlagConfigCache} [flagConfigCache] a store that every update is written through to
   * @param {import('../index').HttpClient} [httpClient]
   * @param {import('../index').StreamEventSourceFactory} [streamEventSourceFactory]
   */
  constructor(apiKey, config, flagConfigCache, httpClient, streamEventSourceFactory) {
    /** @protected */
    this.config = populateLocalConfig(config);
    const logger = new Logger(this.config.logLevel, this.config.loggerProvider);
    const link = new Link(apiKey, this.config, logger, {
      flagConfigCache,
      httpClient,
      streamEventSourceFactory,
    });
    this.cache = new InMemoryFlagConfigCache(flagConfigCache, this.config.bootstrap || {}, link.flags);
    this.logger = logger;
    this.cohortStorage = new InMemoryCohortStorage(link.cohorts);
    Object.defineProperty(this, INNER, {
      value: new Inner(this, link, logger, Number(this.config.logLevel) >= LogLevel.Debug),
    });
  }

  /**
   * Evaluates the flags of the keys (all, where none are given) for a user, default variants included.
   *
   * @param {ExperimentUser} user
   * @param {string[]} [flagKeys]
   * @param {EvaluateOptions} [options]
   * @returns {Record<string, import('../index').Variant>}
   */
  evaluateV2(user, flagKeys, options) {
    return evaluate(this, user, flagKeys, options, true);
  }

  /**
   * Evaluates a user, leaving default variants out.
   *
   * @deprecated use {@link evaluateV2}
   * @param {ExperimentUser} user
   * @param {string[]} [flagKeys]
   * @param {EvaluateOptions} [options]
   * @returns {Promise<Variants>}
   */
  async evaluate(user, flagKeys, options) {
    if (this.evaluateV2 !== evaluateV2) return withoutDefaults(this.evaluateV2(user, flagKeys, options));
    return evaluate(this, user, flagKeys, options, false);
  }

  /** Fetches flag configs and cohorts and keeps them up to date from then on. */
  async start() {
    await inner(this).link.start();
  }

  /** Resolves when every exposure and assignment tracked so far is delivered or dropped. */
  flush() {
    return inner(this).link.flush();
  }

  /**
   * Ends synchronisation and delivers what has been tracked, for a bounded time.
   * @param {{ timeoutMillis?: number }} [options] five seconds by default
   */
  close({ timeoutMillis = CLOSE_MILLIS } = {}) {
    const millis = Number(timeoutMillis === null ? undefined : timeoutMillis);
    return inner(this).link.close(Number.isNaN(millis) ? CLOSE_MILLIS : millis);
  }

  /** Ends all synchronisation. Nothing is installed afterwards. */
  stop() {
    inner(this).link.stop();
  }

  /**
   * Writes the cohorts that a user and its groups are in into the user.
   *
   * @protected
   * @param {ExperimentUser} user
   * @param {Record<string, any>} flags
   */
  enrichUserWithCohorts(user, flags) {
    const { askedCohorts, cached } = inner(this);
    const { groups, byFlag } = cohortIds(flags, flags === cached ? askedCohorts : undefined);
    this.checkFlagsCohortsAvailable(byFlag);
    const ofUsers = groups.get('User');
    if (user.user_id && ofUsers) {
      user.cohort_ids = Array.from(this.cohortStorage.getCohortsForUser(user.user_id, ofUsers));
    }
    for (const type of Object.keys(user.groups || {})) {
      const names = /** @type {Record<string, string[]>} */ (user.groups)[type];
      const ids = groups.get(type);
      if (!ids || !names || names.length === 0) continue;
      const byType = user.group_cohort_ids || (user.group_cohort_ids = {});
      const byName = Object.prototype.hasOwnProperty.call(byType, type) ? byType[type] : (byType[type] = {});
      byName[names[0]] = Array.from(this.cohortStorage.getCohortsForGroup(type, names[0], ids));
    }
  }

  /**
   * Whether all cohorts of the flags are there; logs the first flag of which some are not, once an update.
   *
   * @protected
   * @param {Record<string, Set<string>>} idsByFlag
   * @returns {boolean}
   */
  checkFlagsCohortsAvailable(idsByFlag) {
    const available = this.cohortStorage.getAllCohortIds();
    for (const key of Object.keys(idsByFlag)) {
      const missing = [...idsByFlag[key]].filter((id) => !available.has(id));
      if (missing.length > 0) {
        inner(this).engine.report(
          `[Experiment] Flag ${key} has cohort ids ${missing} unavailable, evaluation may be incorrect`,
        );
        return false;
      }
    }
    return true;
  }
}

/**
 * @param {LocalEvaluationClient} client
 * @returns {Inner}
 */
function inner(client) {
  return /** @type {any} */ (client)[INNER];
}

/**
 * Whatever is the caller's (getters, loggers) may evaluate itself, and an answer lasts until the next one: what tracking needs to
 * know is read before, and lines are logged after the variants have been made.
 *
 * @param {LocalEvaluationClient} client
 * @param {any} user
 * @param {string[] | undefined} flagKeys
 * @param {EvaluateOptions | undefined} options
 * @param {boolean} withDefaults
 */
function evaluate(client, user, flagKeys, options, withDefaults) {
  if (user === undefined || user === null) {
    throw new TypeError(`Cannot read properties of ${user} (reading 'user_id')`);
  }
  const own = inner(client);
  const kinds = own.tracksAlways | (options && options.tracksExposure ? own.tracksExposures : 0);
  if (kinds !== 0 || own.logsUsers) return evaluateSeen(client, user, flagKeys, kinds, withDefaults);
  const { engine } = own;
  const selection = engine.evaluate(user, flagKeys, isOverridden(client));
  const variants = withDefaults ? selection.variants() : selection.assignedVariants();
  if (engine.notes !== undefined) engine.tell();
  return variants;
}

/**
 * Evaluates for trackers and log lines too.
 *
 * @param {LocalEvaluationClient} client
 * @param {any} user
 * @param {string[] | undefined} flagKeys
 * @param {number} kinds what is tracked
 * @param {boolean} withDefaults
 */
function evaluateSeen(client, user, flagKeys, kinds, withDefaults) {
  const { engine, logsUsers, logger } = inner(client);
  if (logsUsers)
    client.logger.debug('[Experiment] evaluate - user:', user, 'flags:', client.cache.getAllCached());
  const subject = kinds === 0 ? undefined : subjectSafely(logger, user);
  const selection = engine.evaluate(user, flagKeys, isOverridden(client));
  const failure = subject === undefined ? undefined : trackSafely(selection, kinds, subject);
  const variants = withDefaults ? selection.variants() : selection.assignedVariants();
  const worded = logsUsers ? selection.rawVariants() : undefined;
  engine.tell();
  if (failure !== undefined) logger.error(UNTRACKED, failure.error);
  if (logsUsers) client.logger.debug('[Experiment] evaluate - variants: ', worded);
  return variants;
}

const UNTRACKED = '[Experiment] an evaluation could not be tracked';

/**
 * Whom to track. Ids and groups that cannot be read cost their own event alone.
 * @param {Logger} logger
 * @param {any} user
 */
function subjectSafely(logger, user) {
  try {
    return subjectOf(user);
  } catch (error) {
    logger.error(UNTRACKED, error);
    return undefined;
  }
}

/**
 * @param {any} selection
 * @param {number} kinds
 * @param {ReturnType<typeof subjectOf>} subject
 * @returns {{ error: unknown } | undefined}
 */
function trackSafely(selection, kinds, subject) {
  try {
    track(selection, kinds, subject);
    return undefined;
  } catch (error) {
    return { error };
  }
}

/**
 * The variants that are not a flag's default.
 * @param {Record<string, any>} variants
 */
function withoutDefaults(variants) {
  return Object.fromEntries(
    Object.entries(variants).filter(
      ([, variant]) => !(variant && variant.metadata && variant.metadata.default),
    ),
  );
}

const { enrichUserWithCohorts, checkFlagsCohortsAvailable, evaluateV2 } = /** @type {any} */ (
  LocalEvaluationClient.prototype
);
const { getCohortsForUser, getCohortsForGroup } = InMemoryCohortStorage.prototype;

/**
 * Whether a subclass, a client or a test has its own way of enriching users.
 * @param {any} client
 */
function isOverridden(client) {
  const { cohortStorage } = client;
  return (
    client.enrichUserWithCohorts !== enrichUserWithCohorts ||
    client.checkFlagsCohortsAvailable !== checkFlagsCohortsAvailable ||
    cohortStorage.getCohortsForUser !== getCohortsForUser ||
    cohortStorage.getCohortsForGroup !== getCohortsForGroup
  );
}

/**
 * A copy of the user with its cohorts written in: the caller's own object is left alone.
 * @param {any} client
 * @param {any} user
 */
function enriched(client, user) {
  const copy = inheritGroups({ ...user }, user);
  const hides = hidesIdentity(user, copy);
  // Cohorts are looked up by it, and it is not the user's own.
  if (hides) copy.user_id = user.user_id;
  if (copy.group_cohort_ids && typeof copy.group_cohort_ids === 'object') {
    copy.group_cohort_ids = { ...copy.group_cohort_ids };
    for (const type of Object.keys(copy.group_cohort_ids)) {
      copy.group_cohort_ids[type] = { ...copy.group_cohort_ids[type] };
    }
  }
  const own = inner(client);
  const flags = client.cache.getAllCached();
  own.cached = flags;
  try {
    client.enrichUserWithCohorts(copy, flags);
  } finally {
    own.cached = undefined;
  }
  if (hides) delete copy.user_id;
  return copy;
}

hideKeys(LocalEvaluationClient.prototype);

// `await using` in runtimes that know it.
const asyncDispose = /** @type {any} */ (Symbol).asyncDispose;
if (asyncDispose) {
  Object.defineProperty(LocalEvaluationClient.prototype, asyncDispose, {
    value() {
      return this.close();
    },
    configurable: true,
    writable: true,
  });
}

module.exports = { LocalEvaluationClient, innerOf: inner };
