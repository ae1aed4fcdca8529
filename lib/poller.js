'use strict';

const { cohortIds } = require('./cohort-ids');
const { Logger } = require('./logger');

const POLLING_INTERVAL_MILLIS = 30000;
const START_ATTEMPTS = 5;

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
    /** @type {Promise<void>} updates are installed one after the other */
    this.installing = Promise.resolve();
  }

  /**
   * Fetches flags at once and then once an interval.
   * @param {(cache: import('../index').FlagConfigCache) => Promise<void>} [onChange] awaited after every update
   */
  async start(onChange) {
    if (this.poller) return;
    this.logger.debug('[Experiment] poller - start');
    const poller = setInterval(async () => {
      try {
        await this.#update(onChange, () => this.poller === poller);
      } catch (error) {
        this.logger.debug('[Experiment] flag config update failed', error);
      }
    }, this.pollingIntervalMillis);
    this.poller = poller;
    try {
      const flags = await this.#firstFlags();
      await this.#install(flags, onChange, () => this.poller === poller);
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
    await this.#update(onChange, () => true);
  }

  /**
   * @param {any} onChange
   * @param {() => boolean} wanted
   */
  async #update(onChange, wanted) {
    this.logger.debug('[Experiment] updating flag configs');
    const flags = await this.fetcher.fetch();
    await this.#install(flags, onChange, wanted);
  }

  async #firstFlags() {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.fetcher.fetch();
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }

  /**
   * @param {Record<string, any>} flags
   * @param {any} onChange
   * @param {() => boolean} wanted
   */
  #install(flags, onChange, wanted) {
    const installed = this.installing.then(async () => {
      if (wanted()) await this._update(flags, onChange);
    });
    this.installing = installed.catch(() => {});
    return installed;
  }

  /**
   * Installs flags, the cohorts that they need first.
   * @protected
   * @param {Record<string, any>} flagConfigs
   * @param {(cache: import('../index').FlagConfigCache) => Promise<void>} [onChange]
   */
  async _update(flagConfigs, onChange) {
    const ids = new Set([...cohortIds(flagConfigs).groups.values()].flatMap((ofGroup) => [...ofGroup]));
    if (ids.size > 0 && !this.cohortFetcher) {
      this.logger.error('Cohorts found in flag configs but no cohort download configured');
    } else {
      await this.downloadNewCohorts(ids);
    }
    await this.cache.clear();
    await this.cache.putAll(flagConfigs);
    await this.removeUnusedCohorts(ids);
    if (onChange) await onChange(this.cache);
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
