'use strict';

/**
 * The open flag streams. A new one gets all flags, then a new set whenever they change, and a keep-alive in between. Streams can be
 * dropped, be made silent, and be sent text that no proper server would send.
 */

/** What keeps a stream alive: `data:` and two spaces, since one space after the colon belongs to the format. */
const KEEP_ALIVE = 'data:  \n\n';

/** One open stream: what is still to be sent, and whether it ends. */
class Stream {
  /** @param {string} first */
  constructor(first) {
    /** @type {string[]} */
    this.waiting = [first];
    this.ended = false;
    /** @type {() => void} */
    this.wake = () => {};
  }

  /** @param {string} text */
  push(text) {
    this.waiting.push(text);
    this.wake();
  }

  end() {
    this.ended = true;
    this.wake();
  }

  /** @returns {AsyncGenerator<Buffer>} */
  async *pieces() {
    for (;;) {
      while (this.waiting.length > 0) yield Buffer.from(/** @type {string} */ (this.waiting.shift()));
      if (this.ended) return;
      await new Promise((resolve) => {
        this.wake = () => resolve(undefined);
      });
    }
  }
}

class Streams {
  /**
   * @param {number} keepAliveMillis
   * @param {() => void} onCount called when a stream has opened or gone
   */
  constructor(keepAliveMillis, onCount) {
    this.onCount = onCount;
    /** @type {Set<{ stream: Stream, response: import('http').ServerResponse }>} */
    this.open = new Set();
    this.silent = false;
    this.timer = setInterval(() => this.push(KEEP_ALIVE), keepAliveMillis);
    this.timer.unref();
  }

  get count() {
    return this.open.size;
  }

  /**
   * Opens a stream that begins with the flags and lives until it is dropped or its connection is gone.
   * @param {import('http').ServerResponse} response
   * @param {unknown[]} flags
   * @returns {AsyncIterable<Buffer>}
   */
  add(response, flags) {
    const stream = new Stream(flagsEvent(flags));
    const entry = { stream, response };
    this.open.add(entry);
    this.onCount();
    response.once('close', () => {
      this.open.delete(entry);
      stream.end();
      this.onCount();
    });
    return stream.pieces();
  }

  /** @param {unknown[]} flags */
  pushFlags(flags) {
    this.push(flagsEvent(flags));
  }

  /** @param {string} text */
  push(text) {
    if (this.silent) return;
    for (const { stream } of this.open) stream.push(text);
  }

  /**
   * Ends all streams: properly, or with the connection reset.
   * @param {(response: import('http').ServerResponse) => void} [reset]
   */
  drop(reset) {
    for (const { stream, response } of this.open) {
      if (reset) reset(response);
      else stream.end();
    }
  }

  close() {
    clearInterval(this.timer);
    this.drop();
  }
}

/** @param {unknown[]} flags */
function flagsEvent(flags) {
  return `data: ${JSON.stringify(flags)}\n\n`;
}

module.exports = { Streams };
