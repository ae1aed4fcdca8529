'use strict';

const { Succession, HEAVY } = require('./succession');
const { Status, View } = require('./view');
const { plainUser } = require('./context');
const { unreadable } = require('./values');

/**
 * Evaluates users against the native client's current flags, keeping the JavaScript view of them up to date.
 *
 * @typedef {{ view(): import('./view').NativeView }} Source
 */

const UNREADABLE = '[Experiment] a property of a user cannot be read as text: no condition matches it';

/** @param {string} key of a flag */
const exhausted = (key) =>
  `[Experiment] Flag ${key} has a pattern that is too costly for a value: neither regex operator matches`;

/** New flags that come before the view of the last ones is ready put it off this often. */
const PUT_OFF = 3;

class Engine {
  /**
   * @param {Source} source
   * @param {boolean} tracks whether what is evaluated is tracked too
   * @param {(message: string, ...details: unknown[]) => void} onProblem told once an update what is wrong with it or with users
   */
  constructor(source, tracks, onProblem) {
    this.source = source;
    this.tracks = tracks;
    this.onProblem = onProblem;
    /** @type {View | undefined} */
    this.view = undefined;
    /** @type {Succession | undefined} the next view, while it is being made ready */
    this.succession = undefined;
    this.putOff = 0;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {Set<string>} */
    this.reported = new Set();
  }

  /**
   * Evaluates with cohorts looked up natively. What comes back holds the answer until the next call.
   * @param {any} user
   * @param {Iterable<any> | null | undefined} flagKeys
   */
  evaluate(user, flagKeys) {
    return this.#run(plainUser(user), flagKeys, false);
  }

  /**
   * As {@link evaluate}, taking the `cohort_ids` that the user already has.
   * @param {any} user
   * @param {Iterable<any> | null | undefined} flagKeys
   */
  evaluateEnriched(user, flagKeys) {
    return this.#run(plainUser(user), flagKeys, true);
  }

  /** Whether some selector reads a whole object of the context, so that the context must be enriched first. */
  get wide() {
    return (this.view || this.#renew()).wide;
  }

  /**
   * @param {any} user
   * @param {Iterable<any> | null | undefined} flagKeys
   * @param {boolean} enriched
   */
  #run(user, flagKeys, enriched) {
    for (;;) {
      const view = this.view || this.#renew();
      const selection = view.select(flagKeys);
      const status = selection.evaluate(user, enriched);
      if (status !== Status.Stale) {
        if (unreadable.found !== undefined) this.#reportUnreadable(unreadable.found.error);
        if (status >= Status.Noted) this.report(exhausted(view.native.flagKey(status - Status.Noted)));
        return selection;
      }
      this.#renew();
    }
  }

  /** @param {unknown} error why a property of a user has no text */
  #reportUnreadable(error) {
    unreadable.found = undefined;
    this.report(UNREADABLE, error);
  }

  /**
   * Tells a problem, once an update.
   * @param {string} problem
   * @param {unknown[]} details
   */
  report(problem, ...details) {
    if (this.reported.has(problem)) return;
    this.reported.add(problem);
    this.onProblem(problem, ...details);
  }

  /** Flags have been written that the view does not know. */
  outdate() {
    this.#succeed(undefined);
  }

  /** Flags have come by themselves: begins with what takes long, so that evaluations need not. */
  prepare() {
    if (this.view !== undefined && this.view.made >= HEAVY) this.#renew();
  }

  /**
   * Resolves when the flags that have come are those that are evaluated.
   * @returns {Promise<void>}
   */
  ready() {
    return new Promise((resolve) => (this.succession ? this.waiting.push(resolve) : resolve()));
  }

  #renew() {
    let view = this.view;
    if (view === undefined || !view.native.renew()) {
      if (view !== undefined && this.#isSucceeded(view)) return view;
      view = new View(this.source.view());
      this.#succeed(view);
    }
    for (const problem of view.native.unavailable()) this.report(problem);
    return view;
  }

  /**
   * Whether evaluations go on with a view whose flags are no longer current, while another one is made ready.
   * @param {View} view
   */
  #isSucceeded(view) {
    if (view.made < HEAVY) return false;
    const { succession } = this;
    if (succession === undefined || !succession.to.native.renew()) {
      if (++this.putOff > PUT_OFF) return false;
      if (succession !== undefined) succession.end();
      const next = new View(this.source.view());
      this.succession = new Succession(view, next, this.tracks, () => {
        this.#succeed(next);
        for (const problem of next.native.unavailable()) this.report(problem);
      });
    }
    view.native.hold();
    return true;
  }

  /** @param {View | undefined} view */
  #succeed(view) {
    if (this.succession !== undefined) this.succession.end();
    this.succession = undefined;
    this.putOff = 0;
    this.view = view;
    this.reported.clear();
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

module.exports = { Engine };
