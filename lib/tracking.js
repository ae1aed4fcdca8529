'use strict';

const native = require('./native');

/**
 * Exposure and assignment tracking: options and users on their way in, and the end of the process.
 *
 * @typedef {import('../native/index').TrackingOptions} TrackingOptions
 * @typedef {import('./evaluation/view').Selection} Selection
 */

/** What a call tracks; both may be. */
const Kinds = { Assignment: 1, Exposure: 2 };

/** How many milliseconds a process is held up: at its natural end, and at `process.exit()`. */
const EXIT_WAIT_MILLIS = 5000;
const EXIT_DRAIN_MILLIS = 500;

/**
 * @param {any} config `exposureConfig` or `assignmentConfig`
 * @returns {TrackingOptions | undefined}
 */
function trackingOptions(config) {
  if (!config) return undefined;
  // Texts that hold numbers, as the environment has them, count as these.
  const number = (/** @type {any} */ value) =>
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
      ? Number(value)
      : undefined;
  const string = (/** @type {any} */ value) => (typeof value === 'string' ? value : undefined);
  return {
    apiKey: string(config.apiKey) || undefined,
    cacheCapacity: number(config.cacheCapacity === null ? 0 : config.cacheCapacity),
    flushIntervalMillis: number(config.flushIntervalMillis),
    flushQueueSize: number(config.flushQueueSize),
    flushMaxRetries: number(config.flushMaxRetries),
    requestTimeoutMillis: number(config.requestTimeoutMillis),
    // A `URL`; what is none goes nowhere else.
    serverUrl: config.serverUrl ? String(config.serverUrl) : undefined,
    serverZone: string(config.serverZone),
    useBatch: Boolean(config.useBatch),
    minIdLength: number(config.minIdLength),
    optOut: Boolean(config.optOut),
    offline: Boolean(config.offline),
    plan: config.plan ? jsonOf(config.plan) : undefined,
    ingestionMetadata: config.ingestionMetadata ? jsonOf(config.ingestionMetadata) : undefined,
    maxQueuedBytes: number(config.maxQueuedBytes),
    maxQueuedEvents: number(config.maxQueuedEvents),
    spoolDirectory: string(config.spoolDirectory),
    spoolMaxBytes: number(config.spoolMaxBytes),
    hasTransport: Boolean(config.transportProvider),
    hasStore: Boolean(config.storageProvider),
  };
}

/**
 * Whom an event is of. Throws where the user's ids or groups cannot be read.
 * @param {any} user
 */
function subjectOf(user) {
  const { user_id: userId, device_id: deviceId, groups } = user;
  const shapes = (shape(userId) << USER_SHAPE) | (shape(deviceId) << DEVICE_SHAPE);
  const json = groups ? jsonOf(groups) : undefined;
  const areStrings = typeof userId === 'string' && typeof deviceId === 'string';
  return {
    shapes,
    areStrings,
    userId: text(userId),
    deviceId: text(deviceId),
    groups: json,
    userJson: areStrings ? undefined : idJson(userId),
    deviceJson: areStrings ? undefined : idJson(deviceId),
  };
}

/**
 * Tracks an evaluation whose codes the view still holds.
 * @param {Selection} selection
 * @param {number} kinds
 * @param {ReturnType<typeof subjectOf>} subject
 */
function track(selection, kinds, subject) {
  const { view } = selection;
  const call =
    selection.track || (selection.track = view.native.trackFunction(selection.native.id, view.codes));
  const { shapes, areStrings, userId, deviceId, groups } = subject;
  if (areStrings) call(kinds | shapes, userId, deviceId, groups);
  else call(kinds | shapes, userId, deviceId, groups, subject.userJson, subject.deviceJson);
}

/** Where in the first argument it stands what an id is: 0 undefined, 1 null, 2 a string, 3 anything else. */
const USER_SHAPE = 2;
const DEVICE_SHAPE = 4;

/** @param {any} id */
function shape(id) {
  if (typeof id === 'string') return 2;
  if (id === undefined) return 0;
  return id === null ? 1 : 3;
}

/** What is said in place of JSON where a value has none: its event is dropped, and counted in the pipeline's log. */
const NO_JSON = '';

/** @param {any} id */
function text(id) {
  if (typeof id === 'string') return id;
  try {
    return id === undefined || id === null ? undefined : String(id);
  } catch {
    return undefined;
  }
}

/** @param {any} id */
function idJson(id) {
  if (typeof id === 'string') return undefined;
  return typeof id === 'symbol' ? NO_JSON : jsonOf(id);
}

/**
 * @param {any} value
 * @returns {string | undefined}
 */
function jsonOf(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return NO_JSON;
  }
}

/**
 * Whoever has events to deliver before the process, or its worker thread, ends.
 * @typedef {{
 *   pendingEvents(): number,
 *   flushWithin(millis: number): Promise<unknown>,
 *   drain(millis: number): void,
 * }} Deliverer
 */

/**
 * How long each may hold the process up.
 * @typedef {{ wait: number, drain: number }} Bounds
 */

/** @type {Set<WeakRef<Deliverer>>} */
const deliverers = new Set();
/** @type {WeakMap<Deliverer, Bounds>} */
const bounds = new WeakMap();
/** Those that have been given their time at the natural end of the process. */
const flushed = new WeakSet();
let watches = false;

/**
 * Sees to it that events are not lost when the process ends: at its natural end they are delivered (for five seconds
 * at most), at `process.exit()` what can be in half a second, or for as long as the configurations say. Whoever is
 * dropped before is not kept.
 * @param {Deliverer} deliverer
 * @param {any[]} configs the `exposureConfig` and the `assignmentConfig`, those that there are
 */
function deliverAtExit(deliverer, configs) {
  if (!watches) {
    watches = true;
    process.once('exit', drain);
    process.on('beforeExit', () => living().forEach(flushOnce));
  }
  living();
  deliverers.add(new WeakRef(deliverer));
  bounds.set(deliverer, {
    wait: longest(configs, 'exitWaitMillis', EXIT_WAIT_MILLIS),
    drain: longest(configs, 'exitDrainMillis', EXIT_DRAIN_MILLIS),
  });
}

/**
 * @param {any[]} configs
 * @param {string} option
 * @param {number} otherwise for those that do not say
 */
function longest(configs, option, otherwise) {
  const millis = configs.map((config) => (config[option] >= 0 ? Number(config[option]) : otherwise));
  return Math.max(0, ...millis);
}

/** At the end of a worker thread the process goes on, and so do the clients of the other threads. */
function drain() {
  const waiting = living();
  const millis = waiting.map((deliverer) => boundsOf(deliverer).drain);
  if (require('worker_threads').isMainThread) {
    // Clients that have been dropped may have left events behind.
    return native.drainEvents(waiting.length > 0 ? Math.max(...millis) : EXIT_DRAIN_MILLIS);
  }
  const start = Date.now();
  waiting.forEach((deliverer, i) => deliverer.drain(Math.max(0, start + millis[i] - Date.now())));
}

/** @param {Deliverer} deliverer */
function flushOnce(deliverer) {
  const { wait } = boundsOf(deliverer);
  if (wait === 0 || deliverer.pendingEvents() === 0 || flushed.has(deliverer)) return;
  flushed.add(deliverer);
  deliverer.flushWithin(wait);
}

/**
 * @param {Deliverer} deliverer
 * @returns {Bounds}
 */
function boundsOf(deliverer) {
  return bounds.get(deliverer) || { wait: EXIT_WAIT_MILLIS, drain: EXIT_DRAIN_MILLIS };
}

/** Those that are still there; the others are forgotten. */
function living() {
  /** @type {Deliverer[]} */
  const found = [];
  for (const reference of deliverers) {
    const deliverer = reference.deref();
    if (deliverer) found.push(deliverer);
    else deliverers.delete(reference);
  }
  return found;
}

module.exports = { Kinds, trackingOptions, subjectOf, track, deliverAtExit };
