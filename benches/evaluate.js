'use strict';

/**
 * `evaluateV2` against the package that this one replaces, and against the floor: making the results alone plus
 * the native call alone. Exits with 1 where a goal is missed.
 */

const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { interpret } = require('../lib/evaluation/reader');
const { innerOf } = require('../lib/local-client');
const { targetedFlags, storeCohorts, realisticUser } = require('./flags');
const { bench } = require('./bench');
const { medians, duration, table } = require('./measure');

/** Flags, the keys that are asked for, and how many times faster than upstream it has to be. */
const CASES = [
  { name: '1 flag', flags: 1, keys: undefined, goal: 6 },
  { name: '10 flags', flags: 10, keys: undefined, goal: 10 },
  { name: '100 flags', flags: 100, keys: undefined, goal: 30, floor: true },
  { name: '500 flags', flags: 500, keys: undefined, goal: 45, floor: true },
  { name: '1 key of 100', flags: 100, keys: ['flag-50'], goal: 150 },
  { name: '1 key of 500', flags: 500, keys: ['flag-250'], goal: 800 },
];
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
  return CASES.map(({ name, flags, keys, goal, floor }) => {
    const config = () => ({
      bootstrap: Object.fromEntries(targetedFlags(flags).map((flag) => [flag.key, flag])),
    });
    const before = new upstream.LocalEvaluationClient('server-key', /** @type {any} */ (config()));
    const client = new ours.LocalEvaluationClient('server-key', /** @type {any} */ (config()));
    storeCohorts(before);
    storeCohorts(client);
    const users = Array.from({ length: 64 }, (_, i) => realisticUser(i));
    let turn = 0;
    const next = () => users[turn++ & 63];
    const selection = () =>
      /** @type {any} */ (innerOf(/** @type {any} */ (client)).engine.view).select(keys);
    client.evaluateV2(next(), keys);
    /** @type {any[]} */
    let values = [];
    const { evaluate } = selection().native;
    const { codes } = selection().view;
    interpret(selection().native.slots, (...read) => (values = read), codes)(users[0], 0);
    const [theirs, our, results, call] = medians([
      { name: 'upstream', run: () => before.evaluateV2(next(), keys) },
      { name: 'ours', run: () => client.evaluateV2(next(), keys) },
      { name: 'results only', run: () => selection().variants() },
      { name: 'native only', run: () => evaluate(...values) },
    ]);
    return { name, goal, hasFloor: Boolean(floor), upstream: theirs, ours: our, results, call };
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
