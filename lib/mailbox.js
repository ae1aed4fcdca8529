'use strict';

const { errorOf } = require('./errors');

/**
 * The JavaScript end of a native client's messages: promises that the native side ends, and everything else in the
 * order in which it was said. It holds no client, so that a client that is dropped can be collected.
 *
 * @typedef {import('../native/index').Message} Message
 */
class Mailbox {
  /**
   * @param {(message: Message) => void} onMessage takes what is not the end of a promise
   * @param {(run: () => void) => void} safely
   */
  constructor(onMessage, safely = tolerance()) {
    /** @type {Map<number, { resolve: (text: string | undefined) => void, reject: (error: Error) => void }>} */
    this.waiting = new Map();
    const receive = (/** @type {Message} */ message) => {
      if (message.kind === 'end') return this.#end(message);
      safely(() => onMessage(message));
    };
    // Asked by tools that look for what keeps a process alive: only a promise that is waited for does.
    receive.hasRef = () => this.waiting.size > 0;
    this.receive = receive;
  }

  /**
   * A promise for the end of what was begun under a number.
   * @param {number} id
   * @param {() => void} rest called once it has ended
   * @returns {Promise<string | undefined>}
   */
  end(id, rest) {
    return new Promise((resolve, reject) => {
      this.waiting.set(id, {
        resolve: (text) => (rest(), resolve(text)),
        reject: (error) => (rest(), reject(error)),
      });
    });
  }

  /** @param {Message} message */
  #end(message) {
    const id = /** @type {number} */ (message.id);
    const promise = this.waiting.get(id);
    if (!promise) return;
    this.waiting.delete(id);
    if (message.error) promise.reject(errorOf(message.error));
    else promise.resolve(message.text);
  }
}

/**
 * What runs something that may log where nobody could catch: a logger's failure must not end the process. The console is told of
 * the first one.
 */
function tolerance() {
  let hasComplained = false;
  return (/** @type {() => void} */ run) => {
    try {
      run();
    } catch (error) {
      if (!hasComplained) console.error('[Experiment] a log line was lost: the logger threw', error);
      hasComplained = true;
    }
  };
}

module.exports = { Mailbox, tolerance };
