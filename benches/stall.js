'use strict';

/**
 * How long the event loop of this thread stands still. A loop of immediates notes the time between its turns. Time in
 * which the thread wanted to run and the machine let others run first is not the measured program's and is taken off,
 * where the system says how much it was (Linux); waiting for locks and for memory counts. And how long it has run.
 */

const fs = require('node:fs');

/** The scheduler's account of this thread: nanoseconds run, nanoseconds waited for a processor, times run. */
const ACCOUNT = '/proc/thread-self/schedstat';

/**
 * Nanoseconds that this thread has had a processor for, to a few milliseconds.
 * @returns {number | undefined} nothing, where the system does not say
 */
function timeRun() {
  try {
    return Number(fs.readFileSync(ACCOUNT, 'latin1').split(' ')[0]);
  } catch {
    return undefined;
  }
}

class StallMeter {
  constructor() {
    this.longest = 0;
    this.longestOnTheClock = 0;
    this.running = true;
    try {
      this.account = fs.openSync(ACCOUNT, 'r');
    } catch {
      this.account = undefined;
    }
    this.text = Buffer.alloc(64);
    let time = process.hrtime.bigint();
    let waited = this.#waited();
    const turn = () => {
      const now = process.hrtime.bigint();
      const waitedNow = this.#waited();
      const gap = Number(now - time);
      this.longestOnTheClock = Math.max(this.longestOnTheClock, gap);
      this.longest = Math.max(this.longest, gap - (waitedNow - waited));
      time = process.hrtime.bigint();
      waited = waitedNow;
      if (this.running) setImmediate(turn);
      else if (this.account !== undefined) fs.closeSync(this.account);
    };
    setImmediate(turn);
  }

  /** Nanoseconds that this thread has waited for a processor. */
  #waited() {
    if (this.account === undefined) return 0;
    const length = fs.readSync(this.account, this.text, 0, this.text.length, 0);
    return Number(this.text.toString('latin1', 0, length).split(' ')[1]);
  }

  /** Resolves with nanoseconds: the longest stall of the program, and the longest on the clock. */
  async stop() {
    // Two more turns, so that what ran last is seen.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    this.running = false;
    return { longest: this.longest, longestOnTheClock: this.longestOnTheClock };
  }
}

module.exports = { StallMeter, timeRun };
