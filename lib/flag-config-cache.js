'use strict';

/**
 * Flag configs by key, with an optional store that every write goes through to. The store is never read.
 *
 * @typedef {import('../index').FlagConfig} FlagConfig
 * @typedef {import('../index').FlagConfigCache} FlagConfigCache
 * @typedef {{
 *   read(): Record<string, any>,
 *   change(next: (flags: Record<string, any>) => Record<string, any>): void,
 *   seed(flags: Record<string, any>): void,
 * }} Backing where a client's flags live
 */

/** @implements {FlagConfigCache} */
class InMemoryFlagConfigCache {
  /**
   * @param {FlagConfigCache} [store]
   * @param {Record<string, FlagConfig>} [flagConfigs]
   * @param {Backing} [backing]
   */
  constructor(store, flagConfigs = {}, backing = new Memory()) {
    /** @protected */
    this.store = store;
    Object.defineProperty(this, 'backing', { value: backing });
    /** @type {Backing} */
    this.backing;
    backing.seed(flagConfigs);
  }

  /** @returns {Record<string, any>} a copy */
  getAllCached() {
    return { ...this.backing.read() };
  }

  /** @param {string} flagKey */
  async get(flagKey) {
    const flags = this.backing.read();
    return Object.prototype.hasOwnProperty.call(flags, flagKey) ? flags[flagKey] : undefined;
  }

  async getAll() {
    return this.getAllCached();
  }

  /**
   * @param {string} flagKey
   * @param {FlagConfig} flagConfig
   */
  async put(flagKey, flagConfig) {
    this.backing.change((flags) => withFlags(flags, [[flagKey, flagConfig]]));
    if (this.store) await this.store.put(flagKey, flagConfig);
  }

  /** @param {Record<string, FlagConfig>} flagConfigs */
  async putAll(flagConfigs) {
    /** @type {[string, any][]} inherited ones are copied as own ones are */
    const given = [];
    // A text is no map of flags, however many characters it has.
    const flags = typeof flagConfigs === 'string' ? {} : flagConfigs;
    for (const key in flags) if (flags[key]) given.push([key, flags[key]]);
    if (given.length > 0) this.backing.change((flags) => withFlags(flags, given));
    if (this.store) await this.store.putAll(flagConfigs);
  }

  /** @param {string} flagKey */
  async delete(flagKey) {
    this.backing.change((flags) => {
      const rest = { ...flags };
      delete rest[flagKey];
      return rest;
    });
    if (this.store) await this.store.delete(flagKey);
  }

  async clear() {
    this.backing.change(() => ({}));
    if (this.store) await this.store.clear();
  }
}

/** Flags of a cache that belongs to no client. */
class Memory {
  constructor() {
    /** @type {Record<string, any>} */
    this.flags = {};
  }

  /** @param {Record<string, any>} flags */
  seed(flags) {
    this.flags = flags;
  }

  read() {
    return this.flags;
  }

  /** @param {(flags: Record<string, any>) => Record<string, any>} next */
  change(next) {
    this.flags = next(this.flags);
  }
}

/**
 * @param {Record<string, any>} flags
 * @param {[string, any][]} more
 */
function withFlags(flags, more) {
  return Object.fromEntries(Object.entries(flags).concat(more));
}

module.exports = { InMemoryFlagConfigCache };
