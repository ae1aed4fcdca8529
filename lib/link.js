'use strict';

const { cohortPollingInterval } = require('./config');
const { errorOf } = require('./errors');
const { define } = require('./evaluation/context');
const { NativeCohorts } = require('./cohort-storage');
const { Mailbox, tolerance } = require('./mailbox');
const { shares, sharing } = require('./sharing');
const { takeOrders } = require('./transport/orders');
const { takeAgentStreamOrders } = require('./transport/node-streams');
const { takeStreamOrders } = require('./transport/streams');
const { eventLog } = require('./event-log');
const { takeProviderOrders } = require('./providers');
const { deliverAtExit, trackingOptions } = require('./tracking');
const native = require('./native');

/**
 * What ties a local client to its native part: flags and cohorts that live there, synchronisation, log lines.
 * It holds no client, so that one that is dropped can be collected.
 *
 * @typedef {import('./logger').Logger} Logger
 * @typedef {{ flagConfigCache?: any, httpClient?: any, streamEventSourceFactory?: any }} Parts what a caller brings
 */

class Link {
  /**
   * @param {string} apiKey
   * @param {any} config
   * @param {Logger} logger
   * @param {Parts} parts
   */
  constructor(apiKey, config, logger, parts) {
    this.safely = tolerance();
    const store = parts.flagConfigCache ? new Store(parts.flagConfigCache, logger, this.safely) : undefined;
    this.store = store;
    this.config = config;
    this.logger = logger;
    /** Called when flags have come by themselves. */
    this.onInstalled = () => {};
    /** Resolves when they are those that are evaluated. */
    this.evaluated = () => Promise.resolve();
    const logs = {
      exposureLog: eventLog(config.exposureConfig || {}),
      assignmentLog: eventLog(config.assignmentConfig || {}),
    };
    // What hears is kept by the native side and must not keep the client from being collected.
    const weak = new WeakRef(this);
    this.mailbox = new Mailbox((message) => {
      if (message.kind === 'installed') {
        if (store && message.text !== undefined) store.replace(flagMap(JSON.parse(message.text)));
        const link = weak.deref();
        if (link) link.onInstalled();
      } else if (message.kind === 'exposureLog' || message.kind === 'assignmentLog') {
        logs[message.kind](/** @type {number} */ (message.level), String(message.message));
      } else {
        log(logger, message);
      }
    }, this.safely);
    const isShared = shares(config, parts, logger);
    const told = settings(apiKey, config, parts);
    if (isShared) told.sharing = sharing(config, told, flagsJson(config.bootstrap || {}, logger));
    this.native = new native.LocalClient(
      told,
      this.mailbox.receive,
      requests(config, parts),
      streams(config, parts),
      takeProviderOrders(config),
    );
    this.flags = new NativeFlags(this.native, logger, isShared);
    this.cohorts = new NativeCohorts(this.native);
    /** @type {Promise<void> | undefined} */
    this.starting = undefined;
    const tracked = [config.exposureConfig, config.assignmentConfig].filter(Boolean);
    if (tracked.length > 0) deliverAtExit(this, tracked);
  }

  pendingEvents() {
    return this.native.pendingEvents;
  }

  /** @param {number} millis */
  flushWithin(millis) {
    // Nobody waits for it who could catch.
    return this.mailbox
      .end(this.native.flush(millis), () => this.native.rest())
      .catch((error) => this.logger.error('[Experiment] events could not be delivered', error));
  }

  /** @param {number} millis */
  drain(millis) {
    this.native.drain(millis);
  }

  /** Resolves when every event recorded so far is delivered or dropped. */
  async flush() {
    await this.mailbox.end(this.native.flush(), () => this.native.rest());
  }

  /** @param {number} timeoutMillis */
  async close(timeoutMillis) {
    this.stop();
    await this.mailbox.end(this.native.close(timeoutMillis), () => this.native.rest());
  }

  /** A view of the flags for evaluation. */
  view() {
    this.flags.flush();
    return this.native.view();
  }

  /** @returns {Promise<void>} */
  start() {
    if (!this.starting) {
      this.flags.isSynced = true;
      this.flags.flush();
      const starting = this.#start();
      const ended = () => {
        if (this.starting === starting) this.starting = undefined;
      };
      this.starting = starting;
      starting.then(ended, ended);
    }
    return this.starting;
  }

  async #start() {
    await this.mailbox.end(this.native.start(), () => this.native.rest());
    if (this.store) await this.store.settled();
    await this.evaluated();
  }

  stop() {
    // A start that comes now is another one.
    this.starting = undefined;
    this.flags.isSynced = false;
    this.native.stop();
  }
}

/** Flags of a native client as JavaScript objects, made when they are asked for. */
class NativeFlags {
  /**
   * @param {import('../native/index').LocalClient} native
   * @param {Logger} logger
   * @param {boolean} isShared whether other clients have the same flags
   */
  constructor(native, logger, isShared) {
    this.native = native;
    this.logger = logger;
    this.isShared = isShared;
    /** Whether updates come. */
    this.isSynced = false;
    /** @type {Record<string, any> | undefined} */
    this.map = undefined;
    this.version = -1;
    /** Whether `map` has been written to and the native side does not know yet. */
    this.dirty = false;
    /** Called when what has been evaluated before is out of date. */
    this.onChange = () => {};
  }

  /** @returns {Record<string, any>} */
  read() {
    const version = this.native.flagsVersion;
    if (this.map === undefined || version !== this.version) {
      // Flags that came meanwhile replace what was written before them.
      this.map = flagMap(JSON.parse(this.native.flags()));
      this.version = version;
      this.dirty = false;
    }
    return this.map;
  }

  /**
   * What the flags begin with. Shared ones have begun on the native side, and may have been replaced since.
   * @param {Record<string, any>} flags
   */
  seed(flags) {
    if (!this.isShared) this.change(() => flags);
  }

  /**
   * Those that are shared are handed over at once; of others the update that comes next is told, which replaces them.
   * @param {(flags: Record<string, any>) => Record<string, any>} next
   */
  change(next) {
    do {
      const flags = next(this.read());
      this.map = Array.isArray(flags) ? { ...flags } : flags;
      this.dirty = true;
      this.onChange();
      // Where other clients have written meanwhile, their flags count too.
    } while (this.isShared && !this.flush());
    if (this.isSynced) this.native.writeAhead();
  }

  /**
   * Hands over what has been written, unless flags have come meanwhile: they replace it.
   * @returns {boolean} whether nothing was in the way
   */
  flush() {
    if (!this.dirty || this.read() !== this.map || !this.dirty) return true;
    this.dirty = false;
    const written = this.native.setFlags(flagsJson(this.map || {}, this.logger), this.version);
    if (!written) return false;
    this.version = written.version;
    logProblems(this.logger, written.problems);
    return true;
  }
}

/**
 * Flags as JSON text, without those that cannot be written as JSON. What is no map of flags has none.
 * @param {Record<string, any>} flags
 * @param {Logger} logger
 * @returns {string}
 */
function flagsJson(flags, logger) {
  const json = jsonOf(flags, logger);
  return json && json.startsWith('{') ? json : '{}';
}

/**
 * @param {Record<string, any>} flags
 * @param {Logger} logger
 * @returns {string | undefined}
 */
function jsonOf(flags, logger) {
  try {
    return JSON.stringify(flags);
  } catch {
    const whole = Object.keys(flags).filter((key) => {
      try {
        return JSON.stringify(flags[key]) !== undefined;
      } catch (error) {
        logger.error(`[Experiment] flag ${key} is left out: it cannot be written as JSON`, error);
        return false;
      }
    });
    return JSON.stringify(Object.fromEntries(whole.map((key) => [key, flags[key]])));
  }
}

/** Updates that may wait for a caller's store; of more, those between the oldest and the newest are left out. */
const WAITING_WRITES = 8;

/** Writes updates through to a caller's store, one after the other. */
class Store {
  /**
   * @param {import('../index').FlagConfigCache} cache
   * @param {Logger} logger
   * @param {(run: () => void) => void} safely runs what may log
   */
  constructor(cache, logger, safely) {
    this.cache = cache;
    this.logger = logger;
    this.safely = safely;
    /** @type {Record<string, any>[]} */
    this.waiting = [];
    /** @type {Promise<void> | undefined} */
    this.writing = undefined;
  }

  /** @param {Record<string, any>} flags */
  replace(flags) {
    this.waiting.push(flags);
    if (this.waiting.length > WAITING_WRITES) this.waiting.splice(-2, 1);
    if (!this.writing) this.writing = this.#write();
  }

  async #write() {
    // A store that throws at once must not end this before it is known to have begun.
    await undefined;
    for (let flags = this.waiting.shift(); flags; flags = this.waiting.shift()) {
      try {
        await this.cache.clear();
        await this.cache.putAll(flags);
      } catch (error) {
        this.safely(() => this.logger.error('[Experiment] flag config cache could not be written', error));
      }
    }
    this.writing = undefined;
  }

  /** Resolves when all updates so far have been written, or have failed to be. */
  async settled() {
    await this.writing;
  }
}

/**
 * @param {string} apiKey
 * @param {any} config
 * @param {Parts} parts
 * @returns {import('../native/index').LocalSettings}
 */
function settings(apiKey, config, { flagConfigCache, streamEventSourceFactory }) {
  const cohorts = config.cohortSyncConfig;
  return {
    apiKey: String(apiKey),
    serverUrl: String(config.serverUrl),
    pollingIntervalMillis:
      config.flagConfigPollingIntervalMillis === undefined
        ? 30000
        : Number(config.flagConfigPollingIntervalMillis),
    streamUpdates: Boolean(config.streamUpdates),
    streamServerUrl: String(config.streamServerUrl),
    streamConnectTimeoutMillis:
      config.streamFlagConnTimeoutMillis === undefined ? 1500 : Number(config.streamFlagConnTimeoutMillis),
    reportsFlags: Boolean(flagConfigCache),
    streamsThroughAgent: Boolean(config.httpAgent && !streamEventSourceFactory),
    isEu: config.serverZone === 'eu',
    exposure: trackingOptions(config.exposureConfig),
    assignment: trackingOptions(config.assignmentConfig),
    cohorts: cohorts
      ? {
          apiKey: String(cohorts.apiKey),
          secretKey: String(cohorts.secretKey),
          serverUrl: String(cohorts.cohortServerUrl),
          maxCohortSize: cohorts.maxCohortSize === undefined ? 2147483647 : Number(cohorts.maxCohortSize),
          pollingIntervalMillis: cohortPollingInterval(cohorts.cohortPollingIntervalMillis),
        }
      : undefined,
  };
}

/**
 * The caller's own way of sending requests, if it brings one.
 * @param {any} config
 * @param {Parts} parts
 */
function requests({ httpAgent }, { httpClient }) {
  return httpClient !== undefined || httpAgent ? takeOrders({ httpAgent, httpClient }) : undefined;
}

/**
 * The caller's own way of opening streams, if it brings one.
 * @param {any} config
 * @param {Parts} parts
 */
function streams({ httpAgent }, { streamEventSourceFactory }) {
  if (streamEventSourceFactory) return takeStreamOrders(streamEventSourceFactory);
  return httpAgent ? takeAgentStreamOrders(httpAgent) : undefined;
}

/**
 * Flags by key. The server sends a list, of which the last of a key counts.
 * @param {any} flags
 * @returns {Record<string, any>}
 */
function flagMap(flags) {
  if (!Array.isArray(flags)) return flags;
  /** @type {Record<string, any>} */
  const map = {};
  for (const flag of flags) {
    if (flag && typeof flag.key === 'string') define(map, flag.key, flag);
  }
  return map;
}

/**
 * @param {Logger} logger
 * @param {import('./mailbox').Message} message
 */
function log(logger, { level, message, error, text }) {
  const parameters = error ? [errorOf(error)] : text !== undefined ? [text] : [];
  if (level === 1) logger.error(message, ...parameters);
  else logger.debug(message, ...parameters);
}

/**
 * One line for all that is wrong with an update.
 * @param {Logger} logger
 * @param {string[]} problems
 */
function logProblems(logger, problems) {
  if (problems.length > 0) logger.error(`[Experiment] malformed flags: ${problems.join('; ')}`);
}

module.exports = { Link };
