'use strict';

const codegen = require('./codegen');
const reader = require('./reader');
const { define } = require('./context');
const { template } = require('./templates');
const { countOf } = require('./values');

/**
 * One plan as JavaScript sees it: which slots to read for which flags, and how to make objects of the codes
 * that the native engine answers with.
 *
 * The native side writes into `codes`: [0] a status, [1] which pattern of absent flags this is, then one
 * outcome code a flag of the selection, in evaluation order.
 *
 * @typedef {import('./reader').Slot} Slot
 * @typedef {import('./templates').Template} Template
 * @typedef {import('../../native/index').View} NativeView
 * @typedef {ReturnType<NativeView['select']>} NativeSelection
 */

const HEADER = 2;
const STATUS = 0;
const PATTERN = 1;

/** What the native side says of a call: from `Noted` on, with the index of a flag added, it is done. */
const Status = { Done: 0, Stale: 1, Noted: 2 };
/** What the native side is told before: whose cohort ids to take. */
const CohortSource = { Stored: 0, Caller: 1 };

/** The pattern of a call whose set of absent flags is too rare to have a number. */
const UNNUMBERED = 0xffffffff;

/** A selection's code is generated once it has been used this often. */
const COMPILE_AFTER = 8;
/** Object literals with more properties than this are slower than filling a dictionary. */
const LITERAL_FLAGS = 1000;
/** Selections kept a view; beyond it all are dropped and made again as they are asked for. */
const SELECTIONS = 4096;

class View {
  /** @param {NativeView} native */
  constructor(native) {
    this.native = native;
    /** Whether users must have their cohorts written in before they are read. */
    this.wide = native.wide;
    /** @type {Uint32Array} An explicit buffer: its memory stays where it is for as long as it lives. */
    this.codes = new Uint32Array(new ArrayBuffer(4 * (native.capacity + HEADER)));
    /** @type {Template[]} */
    this.templates = [];
    /** How many of them have been made. */
    this.made = 0;
    this.compileTemplate = (/** @type {number} */ code) => {
      this.made++;
      return (this.templates[code] = template(this.outcome(code)));
    };
    this.count = 0;
    /** @type {Selection | undefined} */
    this.everything = undefined;
    this.root = new SelectionNode();
    /** The key that was asked for alone last, and its selection: most callers ask for one over and over. */
    this.recentKey = /** @type {any} */ (undefined);
    /** @type {Selection | undefined} */
    this.recent = undefined;
  }

  /**
   * The variant of an outcome code, as the server worded it.
   * @param {number} code
   */
  outcome(code) {
    return /** @type {string} */ (this.native.outcome(code));
  }

  /**
   * Makes the template of a code, unless it is there.
   * @param {number} code
   * @returns {number} how many characters that took
   */
  prepareTemplate(code) {
    if (this.templates[code] !== undefined) return 0;
    const json = this.outcome(code);
    this.made++;
    this.templates[code] = template(json);
    return json.length;
  }

  /**
   * The selection of some flags with what they depend on; of all flags where none are named, by anything falsy or empty.
   * @param {Iterable<any> | ArrayLike<any> | null | undefined} flagKeys
   * @returns {Selection}
   */
  select(flagKeys) {
    if (!flagKeys) return this.all();
    const keys = Array.isArray(flagKeys) ? flagKeys : listOfKeys(flagKeys);
    const count = countOf(keys);
    if (count === 0) return this.all();
    const first = keys[0];
    if (count === 1 && first === this.recentKey && this.recent !== undefined) return this.recent;
    /** @type {SelectionNode | undefined} */
    let node = this.root.next.get(first);
    for (let i = 1; i < count && node !== undefined; i++) node = node.next.get(keys[i]);
    const selection = (node && node.selection) || this.#add(keys, first, count);
    if (count === 1) {
      this.recentKey = first;
      this.recent = selection;
    }
    return selection;
  }

  /**
   * @param {ArrayLike<any>} keys each of which is looked at once: it may be another the next time
   * @param {any} first
   * @param {number} count
   */
  #add(keys, first, count) {
    const own = [first];
    for (let i = 1; i < count; i++) own.push(keys[i]);
    const names = own.map(String);
    const node = own.reduce((node, key) => node.next.get(key) || this.#grow(node, key), this.root);
    return node.selection || (node.selection = this.#make(names));
  }

  all() {
    return this.everything || (this.everything = this.#make(null));
  }

  /**
   * @param {SelectionNode} node
   * @param {any} key
   */
  #grow(node, key) {
    if (++this.count > SELECTIONS) {
      // Nodes in hand stay usable; they are only no longer found.
      this.count = 0;
      this.root = new SelectionNode();
    }
    const child = new SelectionNode();
    node.next.set(key, child);
    return child;
  }

  /** @param {string[] | null} keys */
  #make(keys) {
    return new Selection(this, this.native.select(keys, this.codes));
  }
}

class SelectionNode {
  constructor() {
    /** @type {Map<any, SelectionNode>} */
    this.next = new Map();
    /** @type {Selection | undefined} */
    this.selection = undefined;
  }
}

class Selection {
  /**
   * @param {View} view
   * @param {NativeSelection} native
   */
  constructor(view, native) {
    this.view = view;
    this.codes = view.codes;
    this.native = native;
    /** @type {string[]} the keys of the results in the order of the codes, as far as they have been asked for */
    this.keys = [];
    this.uses = 0;
    this.read = reader.interpret(native.slots, native.evaluate, view.codes);
    /** @type {ReturnType<NativeView['trackFunction']> | undefined} made when something is tracked */
    this.track = undefined;
    /** @type {((codes: Uint32Array) => any)[]} one a pattern of absent flags, as they come up */
    this.makers = [];
  }

  /**
   * Evaluates; the answer is in the view's codes until the next call.
   * @param {any} user a plain one
   * @param {boolean} enriched whether its `cohort_ids` are to be taken as they are
   * @returns {number} a {@link Status}
   */
  evaluate(user, enriched) {
    if (this.uses < COMPILE_AFTER && ++this.uses === COMPILE_AFTER) this.#compile();
    this.read(user, enriched ? CohortSource.Caller : CohortSource.Stored);
    return this.codes[STATUS];
  }

  /**
   * The keys of the results in the order of the codes: at least so many of them.
   * @param {number} [count] all by default
   */
  names(count = this.native.count) {
    const { keys, view, native } = this;
    if (keys.length < count) {
      for (const key of view.native.keys(native.id, keys.length, count)) keys.push(key);
    }
    return keys;
  }

  /**
   * Takes over from the same selection of earlier flags.
   * @param {Selection} earlier
   */
  resume({ uses }) {
    this.uses = uses;
    if (uses === COMPILE_AFTER) this.#compile();
  }

  /** Fresh variants from the view's codes. */
  variants() {
    const { codes } = this;
    const make = this.makers[codes[PATTERN]];
    return make !== undefined ? make(codes) : this.#fill(codes);
  }

  /** The variants that are not a flag's default. */
  assignedVariants() {
    const { codes, templates, compileTemplate } = this.view;
    /** @type {Record<string, any>} */
    const result = {};
    const flags = this.names();
    for (let i = 0; i < flags.length; i++) {
      const code = codes[i + HEADER];
      if (code === 0) continue;
      const item = templates[code] || compileTemplate(code);
      if (item.isDefault) delete result[flags[i]];
      else set(result, flags[i], item.make(item));
    }
    return result;
  }

  /** The variants as the server worded them, for log lines. */
  rawVariants() {
    const { codes } = this.view;
    /** @type {Record<string, any>} */
    const result = {};
    this.names().forEach((key, i) => {
      const code = codes[i + HEADER];
      if (code !== 0) set(result, key, JSON.parse(this.view.outcome(code)));
    });
    return result;
  }

  #compile() {
    this.read = reader.compile(this.native.slots, this.native.evaluate, this.view.codes);
  }

  /** @param {Uint32Array} codes */
  #fill(codes) {
    if (this.uses === COMPILE_AFTER && codes[PATTERN] !== UNNUMBERED && codegen.allowed) {
      return (this.makers[codes[PATTERN]] = this.#maker(codes))(codes);
    }
    return this.#dictionary(codes);
  }

  /** @param {Uint32Array} codes */
  #dictionary(codes) {
    const { templates, compileTemplate } = this.view;
    const flags = this.names();
    /** @type {Record<string, any>} */
    const result = {};
    for (let i = 0; i < flags.length; i++) {
      const code = codes[i + HEADER];
      if (code === 0) continue;
      const item = templates[code] || compileTemplate(code);
      set(result, flags[i], item.make(item));
    }
    return result;
  }

  /**
   * What makes results with the flags that these codes say are present: one object literal, unless they are many.
   * @param {Uint32Array} codes
   * @returns {(codes: Uint32Array) => any}
   */
  #maker(codes) {
    const flags = this.names();
    const properties = [];
    for (let i = 0; i < flags.length; i++) {
      if (codes[i + HEADER] === 0) continue;
      if (properties.length === LITERAL_FLAGS) return (codes) => this.#dictionary(codes);
      const code = `codes[${i + HEADER}]`;
      properties.push(`${codegen.literalKey(flags[i])}:(t=templates[${code}]||compile(${code})).make(t)`);
    }
    const body = `return (codes) => { let t; return {${properties.join()}}; };`;
    return new Function('templates', 'compile', body)(this.view.templates, this.view.compileTemplate);
  }
}

/**
 * @param {Record<string, any>} object
 * @param {string} key
 * @param {any} value
 */
function set(object, key, value) {
  if (key === '__proto__') define(object, key, value);
  else object[key] = value;
}

/**
 * Flag keys from what is not an array: a Set, a string's characters, something array-like.
 * @param {any} keys
 * @returns {any[]}
 */
function listOfKeys(keys) {
  const isList =
    typeof keys === 'string' || typeof keys[Symbol.iterator] === 'function' || 'length' in Object(keys);
  if (!isList) throw new TypeError('Object is not iterable.');
  return Array.from(keys);
}

module.exports = { View, Selection, Status };
