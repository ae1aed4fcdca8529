'use strict';

/**
 * What evaluations are timed on, for every bench that times them: flags, the keys that are asked for, and how many times
 * faster than upstream it has to be; and the clients of both packages for them.
 */

const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { storeCohorts } = require('./flags');

const CASES = [
  { name: '1 flag', flags: 1, keys: undefined, goal: 6 },
  { name: '10 flags', flags: 10, keys: undefined, goal: 10 },
  { name: '100 flags', flags: 100, keys: undefined, goal: 30 },
  { name: '500 flags', flags: 500, keys: undefined, goal: 45 },
  { name: '1 key of 100', flags: 100, keys: ['flag-50'], goal: 150 },
  { name: '1 key of 500', flags: 500, keys: ['flag-250'], goal: 800 },
];

/**
 * A client of each package with these flags and the cohorts of {@link targetedFlags}, upstream's first.
 * @param {any[]} flags
 */
function clients(flags) {
  return [upstream, ours].map(({ LocalEvaluationClient }) => {
    const bootstrap = Object.fromEntries(flags.map((flag) => [flag.key, flag]));
    const client = new LocalEvaluationClient('server-key', /** @type {any} */ ({ bootstrap }));
    storeCohorts(client);
    return client;
  });
}

/**
 * Evaluations of users in turn.
 * @param {any} client
 * @param {object[]} users a power of two of them
 * @param {string[] | undefined} keys
 */
function evaluations(client, users, keys) {
  let turn = 0;
  return () => client.evaluateV2(users[turn++ & (users.length - 1)], keys);
}

module.exports = { CASES, clients, evaluations };
