'use strict';

/**
 * How long this thread has run, and how long it has wanted to while the machine let others run, where the system tells
 * (Linux; otherwise 0). Measurements take the latter off: it is the machine's doing, not the measured program's. Waiting for locks, memory and
 * sockets is not in it.
 */

const fs = require('node:fs');

/** The scheduler's account of this thread: nanoseconds run, nanoseconds waited for a processor, times run. */
const ACCOUNT = '/proc/thread-self/schedstat';

/** @type {number | undefined} */
let account;
try {
  account = fs.openSync(ACCOUNT, 'r');
} catch {
  account = undefined;
}
const text = Buffer.alloc(64);

/**
 * One of the account's entries.
 * @param {number} index
 * @returns {number | undefined} nothing, where the system does not tell
 */
function entry(index) {
  if (account === undefined) return undefined;
  const length = fs.readSync(account, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[index]);
}

/** Nanoseconds that this thread has had a processor for, to a few milliseconds. */
const ran = () => entry(0);

/** Nanoseconds that it has waited for one. */
const waited = () => entry(1) ?? 0;

/**
 * Nanoseconds on the clock from now on, less those waited for a processor.
 * @returns {() => number}
 */
function stopwatch() {
  const waitedBefore = waited();
  const begin = process.hrtime.bigint();
  return () => Number(process.hrtime.bigint() - begin) - (waited() - waitedBefore);
}

module.exports = { ran, waited, stopwatch };
