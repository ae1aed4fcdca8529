'use strict';

/**
 * The evaluation bench with a large cohort beside its small ones, which every other user is a member of, against the
 * package that this one replaces; and the time of a lookup. Exits with 1 where a goal is missed.
 */

const crypto = require('node:crypto');
const { CASES, clients, evaluations } = require('../cases');
const { realisticUser, storeCohort, targetedFlags } = require('../flags');
const { medians, duration, table } = require('../measure');
const { cohortFlag } = require('./flags');

const MEMBERS = 1_000_000;
/** Nanoseconds. */
const LOOKUP = 1000;

/**
 * Those of the evaluation bench, whose keys are of flags without a cohort, though others of their flags have one; and
 * keys of flags that have one, where the lookup is a good part of so short a call: half of what is asked for without.
 */
const ROWS = [
  ...CASES,
  ...CASES.filter(({ keys }) => keys).map(({ name, flags, goal }) => ({
    name: `${name}, for the cohort`,
    flags,
    keys: [`flag-${flags / 2 - ((flags / 2) % 3)}`],
    goal: goal / 2,
  })),
];

const ids = Array.from({ length: MEMBERS }, () => crypto.randomBytes(12).toString('base64url').slice(0, 15));
const members = new Set(ids);

/**
 * Users of whom every other one is in the cohort; with texts in one piece, as out of a request.
 * @param {number} count
 * @returns {object[]}
 */
function users(count) {
  const given = Array.from({ length: count }, (_, i) => ({
    ...realisticUser(i),
    user_id: i % 2 ? ids[(i * 241) % MEMBERS] : `not-a-member-${i % 10}${i % 9}`,
  }));
  return JSON.parse(JSON.stringify(given));
}

let missed = false;

/**
 * The engine takes some thousand calls to compile what makes hundreds of variants.
 * @param {() => unknown} run
 */
function warmUp(run) {
  const end = Date.now() + 1000;
  while (Date.now() < end) run();
}

/** @param {any[]} flags */
function lookingUp(flags) {
  const pair = clients(flags);
  for (const client of pair) storeCohort(client, 'big', members);
  return pair;
}

const rows = [['', 'upstream', 'ours', 'ratio', 'goal']];
for (const { name, flags, keys, goal } of ROWS) {
  // Upstream writes into its users, which are its own therefore.
  const contenders = lookingUp(targetedFlags(flags, ['big'])).map((client, i) => ({
    name: ['upstream', 'ours'][i],
    run: evaluations(client, users(64), keys),
  }));
  for (const { run } of contenders) warmUp(run);
  const [theirs, our] = medians(contenders);
  if (theirs / our < goal) missed = true;
  rows.push([name, duration(theirs), duration(our), `${(theirs / our).toFixed(1)}x`, `${goal}x`]);
}
console.log(`\nevaluateV2 with conditions on a cohort of ${MEMBERS.toLocaleString('en')} members`);
table(rows);

const looksUp = cohortFlag('big');
const [whole, rest] = medians(
  [looksUp, withoutCohort(looksUp)].map((flag) => ({
    name: flag.key,
    // So many that no cache holds their places in the cohort.
    run: evaluations(lookingUp([flag])[1], users(4096), undefined),
  })),
);
if (whole - rest > LOOKUP) missed = true;
console.log(
  `\na lookup in it, the call of evaluateV2 taken off: ${duration(whole - rest)} (goal ${duration(LOOKUP)})`,
);
if (missed) console.error('a goal was missed');
process.exitCode = missed ? 1 : 0;

/** @param {any} flag */
function withoutCohort(flag) {
  const condition = { op: 'is', selector: ['context', 'user', 'user_id'], values: ['nobody'] };
  return { ...flag, segments: [{ ...flag.segments[0], conditions: [[condition]] }, flag.segments[1]] };
}
