'use strict';

/**
 * A package that evaluates the same rules as ours: what is called, and how its answers read.
 *
 * @typedef {import('./rules').Rules} Rules
 *
 * @typedef {object} Opened with all flags there
 * @property {(user: any) => any} context a user as the package wants it; made beforehand, never while it is timed
 * @property {(context: any) => any} all evaluates all flags, by one call where the package has one
 * @property {(context: any, key: string) => any} one evaluates one flag
 * @property {(answer: any) => string} variant what `one` said
 * @property {(answer: any) => Record<string, string>} variants what `all` said, by flag key
 * @property {() => unknown} close
 *
 * @typedef {object} Peer
 * @property {string} name of the npm package
 * @property {string} allCall what is called, for readers
 * @property {string} oneCall
 * @property {(flags: any[]) => Promise<Opened>} open
 */

/** @type {Record<string, () => Peer>} */
const PEERS = {
  ours: () => require('./ours').ours,
  upstream: () => require('./ours').upstream,
  statsig: () => require('./statsig'),
  launchdarkly: () => require('./launchdarkly'),
  growthbook: () => require('./growthbook'),
  unleash: () => require('./unleash'),
  flagd: () => require('./flagd'),
};

module.exports = { PEERS };
