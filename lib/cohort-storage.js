'use strict';

/**
 * Cohorts by id. A client's live in its native part, where a million members take a few megabytes; a Set of them is
 * made only when it is asked for.
 *
 * @typedef {import('../index').Cohort} Cohort
 * @typedef {import('../native/index').LocalClient} NativeClient
 */

const USER_GROUP_TYPE = 'User';

class InMemoryCohortStorage {
  /** @param {Backing} [backing] */
  constructor(backing = new Memory()) {
    /** @type {Record<string, Cohort>} all cohorts by id, a copy */
    this.store;
    Object.defineProperty(this, 'store', {
      enumerable: true,
      get: () => Object.fromEntries(backing.ids().map((id) => [id, /** @type {Cohort} */ (backing.get(id))])),
    });
    /** @type {Backing} */
    this.backing;
    Object.defineProperty(this, 'backing', { value: backing });
  }

  /** @returns {Set<string>} */
  getAllCohortIds() {
    return new Set(this.backing.ids());
  }

  /**
   * @param {string} cohortId
   * @returns {Cohort | undefined}
   */
  getCohort(cohortId) {
    return this.backing.get(cohortId);
  }

  /**
   * @param {string} userId
   * @param {Set<string>} cohortIds
   * @returns {Set<string>} those that the user is in
   */
  getCohortsForUser(userId, cohortIds) {
    return this.getCohortsForGroup(USER_GROUP_TYPE, userId, cohortIds);
  }

  /**
   * @param {string} groupType
   * @param {string} groupName
   * @param {Set<string>} cohortIds
   * @returns {Set<string>} those of the group type that the group is in
   */
  getCohortsForGroup(groupType, groupName, cohortIds) {
    // Only a string can be a member: 5 is not '5'.
    if (typeof groupName !== 'string') return new Set();
    return new Set(this.backing.with(groupType, groupName, [...cohortIds]));
  }

  /** @param {Cohort} cohort */
  put(cohort) {
    this.backing.put(cohort);
  }

  /** @param {string} cohortId */
  delete(cohortId) {
    this.backing.delete(cohortId);
  }
}

/**
 * @typedef {{
 *   ids(): string[],
 *   get(id: string): Cohort | undefined,
 *   put(cohort: Cohort): void,
 *   delete(id: string): void,
 *   with(groupType: string, member: string, ids: string[]): string[],
 * }} Backing
 */

/**
 * Cohorts of a storage that belongs to no client.
 * @implements {Backing}
 */
class Memory {
  constructor() {
    /** @type {Map<string, Cohort>} */
    this.cohorts = new Map();
  }

  ids() {
    return [...this.cohorts.keys()];
  }

  /** @param {string} id */
  get(id) {
    return this.cohorts.get(id);
  }

  /** @param {Cohort} cohort */
  put(cohort) {
    this.cohorts.set(cohort.cohortId, cohort);
  }

  /** @param {string} id */
  delete(id) {
    this.cohorts.delete(id);
  }

  /**
   * @param {string} groupType
   * @param {string} member
   * @param {string[]} ids
   */
  with(groupType, member, ids) {
    return ids.filter((id) => {
      const cohort = this.cohorts.get(id);
      return cohort !== undefined && cohort.groupType === groupType && cohort.memberIds.has(member);
    });
  }
}

/**
 * Cohorts of a native client.
 * @implements {Backing}
 */
class NativeCohorts {
  /** @param {NativeClient} native */
  constructor(native) {
    this.native = native;
    /** @type {Map<string, Cohort>} objects put by hand, which come back as they are */
    this.put_ = new Map();
  }

  ids() {
    return this.native.cohortIds();
  }

  /**
   * @param {string} id
   * @returns {Cohort | undefined}
   */
  get(id) {
    const name = nameOf(id);
    const description = name === undefined ? undefined : this.native.cohort(name);
    if (name === undefined || !description) return undefined;
    const own = this.put_.get(name);
    if (own && own.lastModified === description.lastModified && own.size === description.size) return own;
    const { native } = this;
    /** @type {Set<string> | undefined} */
    let memberIds;
    return /** @type {Cohort} */ ({
      ...description,
      get memberIds() {
        return memberIds || (memberIds = new Set(native.cohortMembers(name)));
      },
    });
  }

  /** @param {Cohort} cohort */
  put(cohort) {
    const { cohortId, groupType, groupTypeId, lastComputed, lastModified, size, memberIds } = cohort;
    const members = [...memberIds].filter((member) => typeof member === 'string');
    const name = nameOf(cohortId);
    // What no string names, nobody can ask for.
    if (name === undefined || typeof groupType !== 'string') return;
    const numbers = Object.fromEntries(
      Object.entries({ groupTypeId, lastComputed, lastModified, size }).filter(
        ([, value]) => typeof value === 'number',
      ),
    );
    this.native.putCohort({ cohortId: name, groupType, ...numbers }, members);
    this.put_.set(name, cohort);
  }

  /** @param {string} id */
  delete(id) {
    const name = nameOf(id);
    if (name === undefined) return;
    this.native.deleteCohort(name);
    this.put_.delete(name);
  }

  /**
   * @param {string} groupType
   * @param {string} member
   * @param {string[]} ids
   */
  with(groupType, member, ids) {
    if (typeof groupType !== 'string') return [];
    return this.native.cohortsWith(
      groupType,
      member,
      ids.filter((id) => typeof id === 'string'),
    );
  }
}

/**
 * The id as the name of a property, as which it has always been used; `undefined` for a symbol, which names no cohort.
 * @param {unknown} id
 * @returns {string | undefined}
 */
function nameOf(id) {
  return typeof id === 'symbol' ? undefined : String(id);
}

module.exports = { InMemoryCohortStorage, NativeCohorts, USER_GROUP_TYPE };
