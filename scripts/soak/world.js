'use strict';

/**
 * The emulator of the soak, in a process of its own, and all that changes in it: a flag every second, pushed to the
 * streams; two cohorts' members every second; and every ten seconds the cohort that a flag asks for, so that one is
 * downloaded. Counts the events that it takes. Tells its parent where it is, and what it has counted when asked.
 */

const { Emulator } = require('../../emulator');
const { realisticFlags } = require('../../benches/flags');
const { cohortFlag } = require('../../benches/sync/flags');

const FLAGS = 20;
const EVERY_MILLIS = 1000;
/** Changes of flags to one change of a cohort that is asked for. */
const PER_COHORT = 10;
const COHORTS = ['even', 'odd'];
const MEMBERS = 10_000;

const counted = { changes: 0, taken: 0, downloads: 0, polls: 0 };

main();

async function main() {
  const emulator = await Emulator.start({
    flags: flagsOf(0),
    cohorts: COHORTS.map((cohortId) => cohortOf(cohortId, 1)),
    historyLimit: 1,
    onRequest: ({ endpoint, status, taken, events = [] }) => {
      if (taken) counted.taken += events.length;
      if (endpoint === 'cohort' && status === 200) counted.downloads++;
      if (endpoint === 'flags') counted.polls++;
    },
  });
  const timer = setInterval(() => {
    counted.changes++;
    for (const cohortId of COHORTS) emulator.setCohort(cohortOf(cohortId, counted.changes + 1));
    emulator.setFlags(flagsOf(counted.changes));
  }, EVERY_MILLIS);
  process.on('message', () => process.send?.({ ...counted, streams: emulator.openStreams }));
  process.on('disconnect', () => {
    clearInterval(timer);
    process.exit();
  });
  process.send?.(emulator.url);
}

/** @param {number} change */
function flagsOf(change) {
  const cohortId = COHORTS[Math.floor(change / PER_COHORT) % COHORTS.length];
  const changing = cohortFlag(cohortId, 'changing');
  return [
    ...realisticFlags(FLAGS),
    { ...changing, metadata: { ...changing.metadata, flagVersion: change + 1 } },
  ];
}

/**
 * @param {string} cohortId
 * @param {number} lastModified
 */
function cohortOf(cohortId, lastModified) {
  return { cohortId, lastModified, generate: { count: MEMBERS, seed: lastModified } };
}
