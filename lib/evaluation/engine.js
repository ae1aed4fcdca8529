'use strict';

const { Succession, HEAVY } = require('./succession');
const { Status, View } = require('./view');
const { hidesIdentity, plainUser } = require('./context');
const { unreadable } = require('./values');

/**
 * Evaluates users against the native client's current flags, keeping the JavaScript view of them up to date.
 *
 * @typedef {object} Source
 * @property {() => import('./view').NativeView} view
 * @property {(run: () => void) => void} safely runs what may log where nobody could catch
 */

const UNREADABLE = '[Experiment] a property of a user cannot be read as text: no condition matches it';

/** @param {string} key of a flag */
const exhausted = (key) =>
  `[Experiment] Flag ${key} has a pattern that is too costly for a value: neither regex operator matches`;

/** New flags that come before the view of the last ones is ready put it off this often. */
const PUT_OFF = 3;
/** So often the user of an evaluation is enriched, where flags come meanwhile. */
const ENRICHED = 3;

class Engine {
  /**
   * @param {Source} source
   * @param {boolean} tracks whether what is evaluated is tracked too
   * @param {(message: string, ...details: unknown[]) => void} onProblem told once an update what is wrong with it or with users
   * @param {(user: any) => any} enrich a copy of a user with its cohorts written in
   */
  constructor(source, tracks, onProblem, enrich) {
    this.source = source;
    this.tracks = tracks;
    this.onProblem = onProblem;
    this.enrich = enrich;
    /** @type {View | undefined} */
    this.view = undefined;
    /** @type {Succession | undefined} the next view, while it is being made ready */
    this.succession = undefined;
    this.putOff = 0;
    /** @type {(() => void)[]} */
    this.waiting = [];
    /** @type {Set<string>} */
    this.reported = new Set();
    /** @type {[string, ...unknown[]][] | undefined} what is still to be reported: see {@link tell} */
    this.notes = undefined;
  }

  /**
   * Evaluates. What comes back holds the answer until the next call, which may be one of the caller's getters or loggers: take
   * it before anything of theirs runs, {@link tell} included.
   * @param {any} user
   * @param {Iterable<any> | null | undefined} flagKeys
   * @param {boolean} isEnriched whether the user's cohorts are those that `enrich` writes, and not looked up natively
   */
  evaluate(user, flagKeys, isEnriched) {
    if (unreadable.found !== undefined) unreadable.found = undefined;
    const { view } = this;
    // What nearly all calls are.
    if (!isEnriched && view !== undefined && !view.wide && plainUser(user) === user) {
      const selection = view.select(flagKeys);
      const status = selection.evaluate(user, false);
      if (status !== Status.Stale) {
        if (status >= Status.Noted || unreadable.found !== undefined) this.#note(view, status);
        return selection;
      }
      this.#renew(false);
    }
    return this.#evaluateAny(user, flagKeys, isEnriched);
  }

  /**
   * @param {any} user
   * @param {Iterable<any> | null | undefined} flagKeys
   * @param {boolean} isEnriched
   */
  #evaluateAny(user, flagKeys, isEnriched) {
    let enriches = isEnriched;
    // What is written in is of the current flags: they have to be those that are evaluated.
    if (enriches && this.succession !== undefined) this.#take(this.succession.to);
    let plain = enriches ? plainUser(this.enrich(user)) : plainUser(user);
    for (let round = 1; ; round++) {
      const view = this.view || this.#renew(enriches);
      if (!enriches && (view.wide || hidesIdentity(user, plain))) {
        enriches = true;
        plain = plainUser(this.enrich(user));
        continue;
      }
      const selection = view.select(flagKeys);
      const status = selection.evaluate(plain, enriches);
      if (status !== Status.Stale) {
        if (status >= Status.Noted || unreadable.found !== undefined) this.#note(view, status);
        return selection;
      }
      const next = this.#renew(enriches);
      // Its cohorts are those of the flags before. Who changes flags while he enriches would have no end.
      if (enriches && next !== view && round < ENRICHED) plain = plainUser(this.enrich(user));
    }
  }

  /**
   * @param {View} view
   * @param {number} status
   */
  #note(view, status) {
    /** @type {[string, ...unknown[]][]} */
    const notes = this.notes || (this.notes = []);
    if (unreadable.found !== undefined) notes.push([UNREADABLE, unreadable.found.error]);
    unreadable.found = undefined;
    if (status >= Status.Noted) notes.push([exhausted(view.native.flagKey(status - Status.Noted))]);
  }

  /** Reports what evaluations have noted. */
  tell() {
    const { notes } = this;
    this.notes = undefined;
    if (notes !== undefined) for (const note of notes) this.report(...note);
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
    if (this.view !== undefined && this.view.made >= HEAVY) this.#renew(false);
  }

  /**
   * Resolves when the flags that have come are those that are evaluated.
   * @returns {Promise<void>}
   */
  ready() {
    return new Promise((resolve) => (this.succession ? this.waiting.push(resolve) : resolve()));
  }

  /** @param {boolean} enriches whether the user at hand has cohorts written in: those of the current flags */
  #renew(enriches) {
    let view = this.view;
    if (view === undefined || !view.native.renew()) {
      if (view !== undefined && this.#isSucceeded(view, enriches)) return view;
      view = new View(this.source.view());
      this.#succeed(view);
    }
    for (const problem of view.native.unavailable()) this.report(problem);
    return view;
  }

  /**
   * Whether evaluations go on with a view whose flags are no longer current, while another one is made ready.
   * @param {View} view
   * @param {boolean} enriches
   */
  #isSucceeded(view, enriches) {
    // Users of which objects are read whole have cohorts written in too.
    if (view.made < HEAVY || enriches || view.wide) return false;
    const { succession } = this;
    if (succession === undefined || !succession.to.native.renew()) {
      if (++this.putOff > PUT_OFF) return false;
      if (succession !== undefined) succession.end();
      const next = new View(this.source.view());
      this.succession = new Succession(view, next, this.tracks, () =>
        this.source.safely(() => this.#take(next)),
      );
    }
    view.native.hold();
    return true;
  }

  /** @param {View} next */
  #take(next) {
    this.#succeed(next);
    for (const problem of next.native.unavailable()) this.report(problem);
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
