'use strict';

/**
 * How long the event loop of this thread stands still. A loop of immediates notes the time between its turns, less what
 * the thread has waited for a processor.
 */

const { waited } = require('./processor');

class StallMeter {
  constructor() {
    this.longest = 0;
    this.longestOnTheClock = 0;
    this.running = true;
    let time = process.hrtime.bigint();
    let waitedBefore = waited();
    const turn = () => {
      const now = process.hrtime.bigint();
      const waitedNow = waited();
      const gap = Number(now - time);
      this.longestOnTheClock = Math.max(this.longestOnTheClock, gap);
      this.longest = Math.max(this.longest, gap - (waitedNow - waitedBefore));
      time = process.hrtime.bigint();
      waitedBefore = waitedNow;
      if (this.running) setImmediate(turn);
    };
    setImmediate(turn);
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

module.exports = { StallMeter };
