'use strict';

const { cohortIds } = require('./cohort-ids');
const { Logger } = require('./logger');

const POLLING_INTERVAL_MILLIS = 30000;
const START_ATTEMPTS = 5;

/**
 * An update, from its request on.
 * @typedef {{ turn: number, wanted: () => boolean }} Ticket `turn`: its place among the requests; `wanted`: whether it is
 *   still to be installed
 */

/**
 * Keeps a flag config cache up to date by polling, with the parts that the caller gives it. Clients have their own
 * synchronisation; this one is for use on its own.
 */
class FlagConfigPoller {
  /**
   * @param {import('./fetcher').FlagConfigFetcher} fetcher
   * @param {import('../index').FlagConfigCache} cache
   * @param {any} cohortStorage
   * @param {any} [cohortFetcher] its `fetch(id, lastModified)` is asked for cohorts that are not stored
   * @param {number} [pollingIntervalMillis]
   * @param {import('../index').LogLevel} [logLevel]
   * @param {import('../index').LoggerProvider} [loggerProvider]
   */
  constructor(
    fetcher,
    cache,
    cohortStorage,
    cohortFetcher,
    pollingIntervalMillis = POLLING_INTERVAL_MILLIS,
    logLevel,
    loggerProvider,
  ) {
    this.fetcher = fetcher;
    this.cache = cache;
    this.cohortStorage = cohortStorage;
    this.cohortFetcher = cohortFetcher;
    this.pollingIntervalMillis = pollingIntervalMillis;
    /** @protected */
    this.logger = new Logger(logLevel, loggerProvider);
    /** @type {NodeJS.Timeout | undefined} */
    this.poller = undefined;
    /** @type {Promise<unknown>} updates are written to the cache one after the other */
    this.installing = Promise.resolve();
  }

  /** How many requests there have been. */
  #turns = 0;
  /** The latest turn that has been written to the cache. */
  #newest = 0;
  /** @type {Map<number, Set<string>>} by turn: the cohorts that updates under way need */
  #needed = new Map();
  /** @type {(() => boolean) | undefined} whether the update that the interval asks for is still wanted */
  #polled = undefined;

  /**
   * Fetches flags at once and then once an interval.
   * @param {(cache: import('../index').FlagConfigCache) => Promise<void>} [onChange] awaited after every update
   */
  async start(onChange) {
    if (this.poller) return;
    this.logger.debug('[Experiment] poller - start');
    const wanted = () => this.poller === poller;
    const poller = setInterval(async () => {
      try {
        await this.#poll(onChange, wanted);
      } catch (error) {
        this.logger.debug('[Experiment] flag config update failed', error);
      }
    }, this.pollingIntervalMillis);
    this.poller = poller;
    // A write that never ends holds up nothing but its own polling.
    this.installing = Promise.resolve();
    try {
      const { flags, turn } = await this.#firstFlags();
      if (wanted()) await this._update(flags, onChange, { turn, wanted });
    } catch (error) {
      this.logger.error('[Experiment] flag config initial poll failed, stopping', error);
      if (this.poller === poller) this.stop();
      throw error;
    }
  }

  stop() {
    if (!this.poller) return;
    this.logger.debug('[Experiment] poller - stop');
    clearInterval(this.poller);
    this.poller = undefined;
  }

  /**
   * Fetches and installs the flags once, whether polling or not.
   * @param {(cache: import('../index').FlagConfigCache) => Promise<void>} [onChange]
   */
  async update(onChange) {
    const ticket = this.#ticket(this.#polled);
    this.logger.debug('[Experiment] updating flag configs');
    const flags = await this.fetcher.fetch();
    if (ticket.wanted()) await this._update(flags, onChange, ticket);
  }

  /**
   * An update by whatever `update` has become, which knows nothing of the interval.
   * @param {any} onChange
   * @param {() => boolean} wanted
   */
  #poll(onChange, wanted) {
    this.#polled = wanted;
    try {
      return this.update(onChange);
    } finally {
      this.#polled = undefined;
    }
  }

  /** @returns {Ticket} */
  #ticket(wanted = () => true) {
    return { turn: ++this.#turns, wanted };
  }

  async #firstFlags() {
    for (let attempt = 1; ; attempt++) {
      const { turn } = this.#ticket();
      try {
        return { flags: await this.fetcher.fetch(), turn };
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }

  /**
   * Installs flags, the cohorts that they need first. Downloads take their time and nobody waits for those of others:
   * flags that were asked for before those in the cache come too late.
   * @protected
   * @param {Record<string, any>} flagConfigs
   * @param {(cache: import('../index').FlagConfigCache) => Promise<void>} [onChange]
   * @param {Ticket} [ticket]
   */
  async _update(flagConfigs, onChange, ticket = this.#ticket()) {
    const ids = new Set([...cohortIds(flagConfigs).groups.values()].flatMap((ofGroup) => [...ofGroup]));
    this.#needed.set(ticket.turn, ids);
    try {
      if (ids.size > 0 && !this.cohortFetcher) {
        this.logger.error('Cohorts found in flag configs but no cohort download configured');
      } else {
        await this.downloadNewCohorts(ids);
      }
      const written = this.installing.then(() => this.#write(flagConfigs, ticket));
      this.installing = written.catch(() => {});
      if (!(await written)) return;
    } finally {
      this.#needed.delete(ticket.turn);
    }
    if (onChange) await onChange(this.cache);
  }

  /**
   * @param {Record<string, any>} flagConfigs
   * @param {Ticket} ticket
   * @returns {Promise<boolean>} whether it was still wanted
   */
  async #write(flagConfigs, { turn, wanted }) {
    if (!wanted()) return false;
    // Others write at the same time where a start has begun anew.
    const isLate = () => turn < this.#newest;
    if (isLate()) return true;
    this.#newest = turn;
    await this.cache.clear();
    if (isLate()) return true;
    await this.cache.putAll(flagConfigs);
    if (isLate()) return true;
    for (const earlier of this.#needed.keys()) if (earlier < turn) this.#needed.delete(earlier);
    await this.removeUnusedCohorts(new Set([...this.#needed.values()].flatMap((ids) => [...ids])));
    return true;
  }

  /**
   * @protected
   * @param {Set<string>} cohortIds
   * @returns {Promise<Set<string>>} those that could not be downloaded
   */
  async downloadNewCohorts(cohortIds) {
    const stored = this.cohortStorage.getAllCohortIds();
    /** @type {Set<string>} */
    const failed = new Set();
    const download = async (/** @type {string} */ id) => {
      try {
        const cohort = await this.cohortFetcher.fetch(id);
        if (cohort) this.cohortStorage.put(cohort);
      } catch (error) {
        this.logger.error(`[Experiment] Cohort download failed ${id}`, error);
        failed.add(id);
      }
    };
    await Promise.all([...cohortIds].filter((id) => !stored.has(id)).map(download));
    return failed;
  }

  /**
   * @protected
   * @param {Set<string>} validCohortIds
   */
  async removeUnusedCohorts(validCohortIds) {
    for (const id of this.cohortStorage.getAllCohortIds()) {
      if (!validCohortIds.has(id)) this.cohortStorage.delete(id);
    }
  }
}

module.exports = { FlagConfigPoller };
