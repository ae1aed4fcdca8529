'use strict';

/**
 * Evaluations that look members of a large cohort up, against the package that this one replaces: the ratios of the
 * evaluation bench, and the time of a lookup. Exits with 1 where a goal is missed.
 */

const crypto = require('node:crypto');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('../..');
const { realisticFlags, realisticUser } = require('../flags');
const { medians, duration, table } = require('../measure');
const { cohortFlag } = require('./flags');

const MEMBERS = 1_000_000;
/** Nanoseconds. */
const LOOKUP = 1000;

/** As in the evaluation bench, the flags that are asked for and the goals too. */
const CASES = [
  { name: '1 flag', flags: 1, keys: undefined, goal: 6 },
  { name: '10 flags', flags: 10, keys: undefined, goal: 10 },
  { name: '100 flags', flags: 100, keys: undefined, goal: 30 },
  { name: '500 flags', flags: 500, keys: undefined, goal: 45 },
  { name: '1 key of 100', flags: 100, keys: ['flag-50'], goal: 150 },
  { name: '1 key of 500', flags: 500, keys: ['flag-250'], goal: 800 },
];

const members = Array.from({ length: MEMBERS }, () =>
  crypto.randomBytes(12).toString('base64url').slice(0, 15),
);
/** @type {any} */
const cohort = {
  cohortId: 'big',
  groupType: 'User',
  groupTypeId: 0,
  lastComputed: 1,
  lastModified: 1,
  size: MEMBERS,
  memberIds: new Set(members),
};
/**
 * Users of whom every other one is in the cohort, in turn.
 * @param {number} count a power of two
 */
function inTurn(count) {
  const users = Array.from({ length: count }, (_, i) => ({
    ...realisticUser(i),
    user_id: i % 2 ? members[(i * 241) % MEMBERS] : `not-a-member-${i % 10}${i % 9}`,
  }));
  let turn = 0;
  return () => users[turn++ & (count - 1)];
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
function clients(flags) {
  return [upstream, ours].map(({ LocalEvaluationClient }) => {
    const bootstrap = Object.fromEntries(flags.map((flag) => [flag.key, flag]));
    const client = new LocalEvaluationClient('server-key', /** @type {any} */ ({ bootstrap }));
    client.cohortStorage.put(cohort);
    return client;
  });
}

const rows = [['', 'upstream', 'ours', 'ratio', 'goal', 'ours, no cohort']];
for (const { name, flags, keys, goal } of CASES) {
  const targeted = realisticFlags(flags).map((flag, index) =>
    index % 3 === 0 || keys?.includes(flag.key) ? withCohort(flag) : flag,
  );
  const [before, client] = clients(targeted);
  const [, plain] = clients(realisticFlags(flags));
  // Upstream writes into its users, which are its own therefore.
  const [theirNext, next, plainNext] = [inTurn(64), inTurn(64), inTurn(64)];
  const contenders = [
    { name: 'upstream', run: () => before.evaluateV2(theirNext(), keys) },
    { name: 'ours', run: () => client.evaluateV2(next(), keys) },
    { name: 'no cohort', run: () => plain.evaluateV2(plainNext(), keys) },
  ];
  for (const { run } of contenders) warmUp(run);
  const [theirs, our, rest] = medians(contenders);
  if (theirs / our < goal) missed = true;
  const ratio = `${(theirs / our).toFixed(1)}x`;
  rows.push([name, duration(theirs), duration(our), ratio, `${goal}x`, duration(rest)]);
}
console.log(`\nevaluateV2 with conditions on a cohort of ${MEMBERS.toLocaleString('en')} members`);
table(rows);

const looksUp = cohortFlag('big');
const [, client] = clients([looksUp]);
const [, none] = clients([withoutCohort(looksUp)]);
// So many that no cache holds their places in the cohort.
const next = inTurn(4096);
const [whole, rest] = medians([
  { name: 'with', run: () => client.evaluateV2(next()) },
  { name: 'without', run: () => none.evaluateV2(next()) },
]);
if (whole - rest > LOOKUP) missed = true;
console.log(
  `\na lookup in it, the call of evaluateV2 taken off: ${duration(whole - rest)} (goal ${duration(LOOKUP)})`,
);
if (missed) console.error('a goal was missed');
process.exitCode = missed ? 1 : 0;

/**
 * The flag, with a segment for the cohort besides: every third has it, and the one that is asked for.
 * @param {any} flag
 */
function withCohort(flag) {
  const [cohort] = cohortFlag('big').segments;
  return {
    ...flag,
    segments: [...flag.segments.slice(0, -1), { ...cohort, variant: 'treatment' }, flag.segments.at(-1)],
  };
}

/** @param {any} flag */
function withoutCohort(flag) {
  const condition = { op: 'is', selector: ['context', 'user', 'user_id'], values: ['nobody'] };
  return { ...flag, segments: [{ ...flag.segments[0], conditions: [[condition]] }, flag.segments[1]] };
}
