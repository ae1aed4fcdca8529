'use strict';

const { hasOwn, property } = require('./values');

/**
 * The evaluation context of a user: what selectors below `context` see. Nothing is written to the user.
 *
 * `contextUser` and `group` are the two halves; `context` builds the whole, for the rare selectors that read
 * an object and not one of its properties.
 */

/** Properties of a user that are not properties of the context's user. */
const GROUP_PROPERTIES = new Set(['groups', 'group_properties', 'group_cohort_ids']);

/** Node can be told to take the accessor away, or to make it throw. */
const hasProtoAccessor = (() => {
  try {
    return /** @type {any} */ ({}).__proto__ === Object.prototype;
  } catch {
    return false;
  }
})();

/**
 * A user whose properties can be read by plain access: own enumerable properties only, whatever came in; what is said of
 * groups may be inherited.
 * @param {any} user
 * @returns {any}
 */
function plainUser(user) {
  if (typeof user === 'object') {
    // The engine knows this from the object's shape, where `Object.getPrototypeOf` is a call.
    if (hasProtoAccessor && user.__proto__ === Object.prototype) return user;
    const prototype = Object.getPrototypeOf(user);
    if (prototype === Object.prototype || prototype === null) return user;
  }
  return inheritGroups(Object.assign(Object.create(null), user), user);
}

/**
 * Gives a copy of a user's own properties what the user inherits of groups.
 * @template {Record<string, any>} T
 * @param {T} copy
 * @param {any} user
 * @returns {T}
 */
function inheritGroups(copy, user) {
  for (const name of GROUP_PROPERTIES) {
    if (copy[name] === undefined && user[name] !== undefined) {
      /** @type {Record<string, any>} */ (copy)[name] = user[name];
    }
  }
  return copy;
}

/**
 * Whether a user has an id that is not its own: cohorts are looked up by it, and conditions do not see it.
 * @param {any} user
 * @param {any} plain the same as a plain one
 */
function hidesIdentity(user, plain) {
  return user !== plain && plain.user_id === undefined && Boolean(user.user_id);
}

/**
 * The first group name of a type, if the user is in such a group.
 * @param {any} user
 * @param {string} type
 */
function groupName(user, type) {
  const groups = user.groups;
  if (Object(groups) !== groups || !hasOwn.call(groups, type)) return undefined;
  const names = groups[type];
  return names && names.length > 0 ? names[0] || undefined : undefined;
}

/**
 * The properties of the user's group of a type, if it has any.
 * @param {any} user
 * @param {string} type
 */
function groupProperties(user, type) {
  const name = groupName(user, type);
  if (name === undefined) return undefined;
  const properties = property(property(user.group_properties, type), name);
  return properties && Object.keys(properties).length > 0 ? properties : undefined;
}

/**
 * The cohorts of the user's group of a type, if it is in any.
 * @param {any} user
 * @param {string} type
 */
function groupCohortIds(user, type) {
  const name = groupName(user, type);
  if (name === undefined) return undefined;
  const cohortIds = property(property(user.group_cohort_ids, type), name);
  return cohortIds && cohortIds.length > 0 ? cohortIds : undefined;
}

/**
 * What the context holds of the user's group of a type, or `undefined`.
 * @param {any} user
 * @param {string} type
 */
function group(user, type) {
  const name = groupName(user, type);
  if (name === undefined) return undefined;
  /** @type {Record<string, any>} */
  const result = Object.create(null);
  result.group_name = name;
  const properties = groupProperties(user, type);
  if (properties !== undefined) result.group_properties = properties;
  const cohortIds = groupCohortIds(user, type);
  if (cohortIds !== undefined) result.cohort_ids = cohortIds;
  return result;
}

/**
 * The whole context.
 * @param {any} user
 */
function context(user) {
  /** @type {Record<string, any>} */
  const whole = Object.create(null);
  const names = Object.keys(user).filter((name) => !GROUP_PROPERTIES.has(name));
  if (names.length > 0) {
    whole.user = plainCopy(user, names);
  }
  const groups = user.groups;
  if (groups !== null && typeof groups === 'object') {
    const types = Object.keys(groups).filter((type) => groupName(user, type) !== undefined);
    if (types.length > 0) {
      whole.groups = {};
      for (const type of types) define(whole.groups, type, group(user, type));
    }
  }
  return whole;
}

/**
 * @param {any} from
 * @param {string[]} names
 */
function plainCopy(from, names) {
  const copy = {};
  for (const name of names) define(copy, name, from[name]);
  return copy;
}

/**
 * Sets an own property, `__proto__` included.
 * @param {object} object
 * @param {string} name
 * @param {any} value
 */
function define(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

module.exports = {
  GROUP_PROPERTIES,
  hidesIdentity,
  inheritGroups,
  plainUser,
  groupName,
  groupProperties,
  groupCohortIds,
  group,
  context,
  define,
};
