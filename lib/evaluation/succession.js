'use strict';

// Taken here: tests that put the clock under their control must not stop flags.
const { setImmediate } = require('timers');

/**
 * From the view of old flags to the view of new ones, where that takes long: bit by bit, a bit in each turn of the event
 * loop, while evaluations go on with the old one. What the old one has had a use for is ready in the new one before it
 * takes over.
 *
 * @typedef {import('./view').View} View
 */

/** Templates, and characters of them, that are made ready in one turn. */
const TEMPLATES = 128;
const CHARACTERS = 65536;
/** Keys of results that are. */
const KEYS = 1000;
/** A view that has made fewer templates than this is replaced at once. */
const HEAVY = 256;

class Succession {
  /**
   * @param {View} from
   * @param {View} to
   * @param {boolean} tracks whether what is evaluated is tracked too
   * @param {() => void} onReady
   */
  constructor(from, to, tracks, onReady) {
    this.to = to;
    this.ended = false;
    const steps = bits(from, to, tracks);
    const turn = () => {
      if (this.ended) return;
      if (!steps.next().done) return void setImmediate(turn);
      this.ended = true;
      onReady();
    };
    setImmediate(turn);
  }

  /** Nothing more is done. */
  end() {
    this.ended = true;
  }
}

/**
 * @param {View} from
 * @param {View} to
 * @param {boolean} tracks
 */
function* bits(from, to, tracks) {
  if (from.everything !== undefined) {
    const all = to.all();
    yield;
    for (let count = KEYS; count < all.native.count; count += KEYS) {
      all.names(count);
      yield;
    }
    all.resume(from.everything);
    if (tracks) to.native.prepareTracking(all.native.id);
    yield;
  }
  /** @type {number[]} */
  const used = [];
  from.templates.forEach((_, code) => used.push(code));
  const codes = to.native.counterparts(from.native, Uint32Array.from(used));
  yield;
  let count = 0;
  let characters = 0;
  for (const code of codes) {
    characters += to.prepareTemplate(code);
    if (++count < TEMPLATES && characters < CHARACTERS) continue;
    count = characters = 0;
    yield;
  }
}

module.exports = { Succession, HEAVY };
