'use strict';

/**
 * One peer in a process of its own: `node measured.js PEER`. Told to `open` so many flags it does, and finds out how many
 * calls fill a turn; told to take a `turn` it answers with the nanoseconds that a call took.
 */

const { portableFlags, realisticUser } = require('../flags');
const { stopwatch } = require('../processor');
const { PEERS } = require('./peer');

const USERS = 64;
/** How long a turn lasts, about. */
const TURN_MILLIS = 40;
/** The engines compile what is called often: so long before anything is timed. */
const WARM_UP_MILLIS = 1500;

const peer = PEERS[process.argv[2]]();
/** @type {{ run: () => unknown, count: number, close: () => unknown } | undefined} */
let opened;

/** @typedef {{ open: { flags: number, key?: string } } | 'turn'} Order */

process.on('message', (/** @type {Order} */ order) => {
  (order === 'turn' ? turn() : open(order.open)).then(
    (answer) => process.send?.(answer),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());

/** @param {{ flags: number, key?: string }} what */
async function open({ flags, key }) {
  if (opened) await opened.close();
  const { context, all, one, close } = await peer.open(portableFlags(flags));
  const contexts = Array.from({ length: USERS }, (_, i) => context(realisticUser(i)));
  let next = 0;
  const run =
    key === undefined
      ? () => all(contexts[next++ & (USERS - 1)])
      : () => one(contexts[next++ & (USERS - 1)], key);
  opened = { run, count: await calibrate(run), close };
  return 'opened';
}

async function turn() {
  if (!opened) throw new Error('nothing is open');
  return (await time(opened.run, opened.count)) / opened.count;
}

/**
 * Warms up, and says how many calls fill a turn.
 * @param {() => unknown} run
 */
async function calibrate(run) {
  let count = 1;
  let elapsed = 0;
  for (const end = Date.now() + WARM_UP_MILLIS; Date.now() < end;) {
    elapsed = await time(run, count);
    if (elapsed < (TURN_MILLIS * 1e6) / 2) count *= 2;
  }
  return Math.max(1, Math.round((count * TURN_MILLIS * 1e6) / elapsed));
}

/**
 * Nanoseconds of so many calls, one after the other. A call that promises is waited for; others are not, since that
 * alone would take longer than they do.
 * @param {() => unknown} run
 * @param {number} count
 */
async function time(run, count) {
  const elapsed = stopwatch();
  for (let i = 0; i < count; i++) {
    const answer = run();
    if (answer instanceof Promise) await answer;
  }
  return elapsed();
}
