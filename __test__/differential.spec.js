'use strict';

/**
 * Ours against the installed package on random flags, users and flag keys. The seed is printed; give it back as
 * EXPERIMENT_TEST_SEED to run the same cases again.
 */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { Random, flags, user, cohorts } = require('./support/random');

const SEED = Number(process.env.EXPERIMENT_TEST_SEED || Date.now() % 2 ** 32);
const CASES = Number(process.env.EXPERIMENT_TEST_CASES || 24_000);
const USERS_A_SET = 24;

/** What a call answers with: its variants in order, or its error. */
function answer(call) {
  try {
    return { value: Object.entries(call()) };
  } catch (error) {
    return { error: String(error) };
  }
}

test(`random flags, users and keys give the same variants in the same order (seed ${SEED})`, (t) => {
  const random = new Random(SEED);
  let compared = 0;
  let failedUpstream = 0;
  while (compared < CASES) {
    const list = flags(random, 1 + random.int(12));
    const bootstrap = () => Object.fromEntries(list.map((flag) => [flag.key, structuredClone(flag)]));
    const silent = { error() {}, warn() {}, info() {}, debug() {}, verbose() {} };
    const theirs = new upstream.LocalEvaluationClient('key', {
      bootstrap: bootstrap(),
      loggerProvider: silent,
    });
    const our = new ours.LocalEvaluationClient('key', { bootstrap: bootstrap(), loggerProvider: silent });
    for (const cohort of cohorts(random)) {
      theirs.cohortStorage.put(cohort);
      our.cohortStorage.put(cohort);
    }
    for (let i = 0; i < USERS_A_SET; i++) {
      const subject = user(random);
      const keys = random.chance(0.7)
        ? undefined
        : [...random.some(list, 4).map((flag) => flag.key), 'unknown'];
      const expected = answer(() => theirs.evaluateV2(structuredClone(subject), keys));
      const actual = answer(() => our.evaluateV2(subject, keys));
      compared++;
      if (expected.error) {
        // Where upstream throws out of the whole call, ours answers: asserted case by case elsewhere.
        failedUpstream++;
        if (actual.error) t.fail(`${actual.error}\n${JSON.stringify({ list, subject, keys })}`);
        continue;
      }
      if (!isDeepEqual(t, actual, expected)) {
        t.log(JSON.stringify({ flags: list, user: subject, keys }));
        t.deepEqual(firstDifference(actual, expected), firstDifference(expected, actual));
        return;
      }
    }
  }
  t.log(`${compared} cases, seed ${SEED}; upstream threw in ${failedUpstream}`);
  t.true(failedUpstream < compared / 10);
});

/** The first of a call's variants that the other call does not have at the same place. */
function firstDifference(answer, other) {
  if (!answer.value || !other.value) return answer;
  return answer.value.find((entry, i) => JSON.stringify(entry) !== JSON.stringify(other.value[i]));
}

function isDeepEqual(t, actual, expected) {
  try {
    require('node:assert').deepStrictEqual(actual, expected);
    return true;
  } catch {
    return false;
  }
}
