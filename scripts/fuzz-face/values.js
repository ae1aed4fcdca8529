'use strict';

/** Hostile values. In: a source of random numbers. Out: anything that JavaScript can pass to a function. */

/** What hostile values throw, so that it is known when it comes back. */
class Thrown extends Error {}

const TEXTS = [
  '',
  'flag',
  'user_id',
  '__proto__',
  'constructor',
  'toString',
  '\ud800',
  '\u0000',
  'a.b',
  '😀',
  '[]',
  '{}',
  '0',
  '-1',
];
const NAMES = [
  ...[
    'user_id',
    'device_id',
    'user_properties',
    'groups',
    'group_properties',
    'cohort_ids',
    'group_cohort_ids',
    'country',
  ],
  ...[
    'key',
    'variants',
    'segments',
    'dependencies',
    'metadata',
    'conditions',
    'selector',
    'op',
    'values',
    'bucket',
  ],
  ...[
    'tracksExposure',
    'flagKeys',
    'timeoutMillis',
    'length',
    'then',
    'toJSON',
    'toString',
    'valueOf',
    '__proto__',
    '0',
  ],
];

class Values {
  /**
   * @param {() => number} random 0 to 1
   * @param {() => void} reenter calls back into the face
   */
  constructor(random, reenter) {
    this.random = random;
    this.reenter = reenter;
  }

  /** @param {number} limit */
  below(limit) {
    return Math.floor(this.random() * limit);
  }

  /**
   * @template T
   * @param {T[]} list
   * @returns {T}
   */
  pick(list) {
    return list[this.below(list.length)];
  }

  /** @returns {any} */
  any(depth = 0) {
    const makers = depth > 3 ? SCALARS : [...SCALARS, ...OBJECTS];
    return this.pick(makers)(this, depth + 1);
  }

  /** An object with some names that mean something. @returns {any} */
  object(depth = 0) {
    /** @type {any} */
    const object = this.below(8) === 0 ? Object.create(null) : {};
    for (let i = this.below(6); i > 0; i--) {
      const name = this.below(10) === 0 ? this.pick(TEXTS) : this.pick(NAMES);
      if (this.below(8) > 0) {
        define(object, name, {
          value: this.any(depth),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      } else {
        define(object, name, { get: this.getter(depth), enumerable: true, configurable: true });
      }
    }
    return object;
  }

  /** @returns {() => any} */
  getter(depth = 0) {
    const value = this.any(depth);
    return this.pick([
      () => {
        throw new Thrown('a getter');
      },
      () => {
        this.reenter();
        return value;
      },
      () => value,
    ]);
  }
}

/** @param {object} object @param {string} name @param {PropertyDescriptor} descriptor */
const define = (object, name, descriptor) => void Reflect.defineProperty(object, name, descriptor);

/** @typedef {(values: Values, depth: number) => any} Maker */

/** @type {Maker[]} */
const SCALARS = [
  () => undefined,
  () => null,
  (v) => v.below(2) === 0,
  (v) => v.pick([0, -0, 1, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 1e308]),
  (v) => v.pick([0n, -1n, 2n ** 64n]),
  (v) => v.pick(TEXTS),
  (v) => v.pick(TEXTS).repeat(v.below(50)),
  () => Symbol('symbol'),
  () => Symbol.iterator,
  (v) => (v.below(400) === 0 ? 'x'.repeat(2 ** 22) : 'x'),
];

/** @type {Maker[]} */
const OBJECTS = [
  (v, depth) => v.object(depth),
  (v, depth) => v.object(depth),
  (v, depth) => Array.from({ length: v.below(5) }, () => v.any(depth)),
  (v) => (v.below(100) === 0 ? new Array(2 ** 20) : new Array(3)),
  (v) => (v.below(100) === 0 ? Array.from({ length: 50_000 }, (_, i) => `k${i}`) : []),
  (v) => (v.below(50) === 0 ? deep(5000) : deep(50)),
  () => cyclic(),
  (v, depth) => proxy(v, depth),
  () => revoked({}),
  () => revoked([]),
  () => revoked(() => {}),
  (v) => () => v.reenter(),
  () => () => {
    throw new Thrown('a function');
  },
  () => class {},
  () => new Date(NaN),
  () => /x/g,
  () => new Map([[1, 2]]),
  () => new Set([1]),
  () => new WeakMap(),
  () => new Error('an error'),
  () => Promise.resolve(1),
  () => new Uint8Array(3),
  () => new ArrayBuffer(2),
  () => new Float64Array([NaN]),
  () => Object(1n),
  () => new String('boxed'),
  () => Object.freeze({ user_id: 'frozen' }),
  () => ({
    toString() {
      throw new Thrown('toString');
    },
  }),
  () => ({ toString: null, valueOf: null }),
  () => ({
    toJSON() {
      throw new Thrown('toJSON');
    },
  }),
  () => ({
    [Symbol.toPrimitive]() {
      throw new Thrown('toPrimitive');
    },
  }),
  () => ({
    get then() {
      throw new Thrown('then');
    },
  }),
  () => ({
    *[Symbol.iterator]() {
      throw new Thrown('an iterator');
    },
  }),
  () => globalThis,
];

/** @param {number} levels */
function deep(levels) {
  /** @type {any} */
  let value = 'bottom';
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { user_properties: value };
  return value;
}

function cyclic() {
  /** @type {any} */
  const value = { user_id: 'round' };
  value.user_properties = value;
  value.groups = [value];
  return value;
}

/** @param {Values} v @param {number} depth */
function proxy(v, depth) {
  const target = v.below(3) === 0 ? [] : v.object(depth);
  /** @type {any} */
  const handler = {};
  for (const trap of [
    'get',
    'has',
    'ownKeys',
    'getOwnPropertyDescriptor',
    'set',
    'getPrototypeOf',
    'defineProperty',
  ]) {
    const kind = v.below(8);
    if (kind === 0) {
      handler[trap] = () => {
        throw new Thrown(`the trap ${trap}`);
      };
    } else if (kind === 1) {
      handler[trap] = (/** @type {any[]} */ ...args) => {
        v.reenter();
        return /** @type {any} */ (Reflect)[trap](...args);
      };
    } else if (kind === 2) {
      const answer = v.any(4);
      handler[trap] = () => answer;
    }
  }
  return new Proxy(target, handler);
}

/** @param {any} target */
function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

module.exports = { Thrown, Values };
