'use strict';

/**
 * `evaluateV2` against the package that this one replaces, and against the floor: making the results alone plus
 * the native call alone. Exits with 1 where a goal is missed.
 */

const { interpret } = require('../lib/evaluation/reader');
const { innerOf } = require('../lib/local-client');
const { targetedFlags, realisticUser } = require('./flags');
const { bench } = require('./bench');
const { CASES, clients, evaluations } = require('./cases');
const { medians, duration, table } = require('./measure');

/** From how many flags on the whole has to be near the floor. */
const MANY = 100;
/** How much of the floor the whole may take. */
const FLOOR_FACTOR = 2;

/**
 * @typedef {object} Row times in nanoseconds
 * @property {string} name
 * @property {number} goal
 * @property {boolean} hasFloor whether it has to be near the floor
 * @property {number} upstream
 * @property {number} ours
 * @property {number} results
 * @property {number} call
 */

/** @returns {Row[]} */
function measure() {
  return CASES.map(({ name, flags, keys, goal }) => {
    const [before, client] = clients(targetedFlags(flags));
    // Upstream writes into its users, which are its own therefore.
    const [theirUsers, users] = [before, client].map(() =>
      Array.from({ length: 64 }, (_, i) => realisticUser(i)),
    );
    const selection = () =>
      /** @type {any} */ (innerOf(/** @type {any} */ (client)).engine.view).select(keys);
    client.evaluateV2(users[0], keys);
    /** @type {any[]} */
    let values = [];
    const { evaluate } = selection().native;
    const { codes } = selection().view;
    interpret(selection().native.slots, (...read) => (values = read), codes)(users[0], 0);
    const [theirs, our, results, call] = medians([
      { name: 'upstream', run: evaluations(before, theirUsers, keys) },
      { name: 'ours', run: evaluations(client, users, keys) },
      { name: 'results only', run: () => selection().variants() },
      { name: 'native only', run: () => evaluate(...values) },
    ]);
    return { name, goal, hasFloor: !keys && flags >= MANY, upstream: theirs, ours: our, results, call };
  });
}

/** @param {Row[]} rows */
function report(rows) {
  console.log(`evaluateV2, medians of turns in one process, Node ${process.version}`);
  const share = (/** @type {Row} */ { ours, results, call }) => ours / (results + call);
  table([
    ['', 'upstream', 'ours', 'ratio', 'goal', 'results only', 'native only', 'ours / floor'],
    ...rows.map((row) => [
      row.name,
      duration(row.upstream),
      duration(row.ours),
      `${(row.upstream / row.ours).toFixed(1)}x`,
      `${row.goal}x`,
      duration(row.results),
      duration(row.call),
      share(row).toFixed(2) + (row.hasFloor ? ` (goal ${FLOOR_FACTOR})` : ''),
    ]),
  ]);
  return rows.every(
    (row) => row.upstream / row.ours >= row.goal && (!row.hasFloor || share(row) <= FLOOR_FACTOR),
  );
}

bench(module, { measure, report });
