'use strict';

/**
 * What the emulator has received: requests in the order in which they came, with their headers as sent, and the events that it took.
 * Bounded: the oldest requests are forgotten first.
 */

const { performance } = require('perf_hooks');

/**
 * @typedef {import('./index').RecordedRequest} RecordedRequest
 * @typedef {import('./index').Endpoint} Endpoint
 *
 * @typedef {object} Waiter
 * @property {() => boolean} isMet
 * @property {() => void} resolve
 */

class History {
  /**
   * @param {number} limit requests that are kept
   * @param {(record: RecordedRequest) => void} onEnd
   */
  constructor(limit, onEnd) {
    this.limit = limit;
    this.onEnd = onEnd;
    /** @type {RecordedRequest[]} */
    this.requests = [];
    /** @type {Set<Waiter>} */
    this.waiters = new Set();
    /** @type {WeakMap<object, number>} */
    this.connections = new WeakMap();
    this.connectionCount = 0;
    this.requestCount = 0;
  }

  /**
   * @param {import('http').IncomingMessage} request
   * @param {import('http').ServerResponse} response
   * @param {Endpoint | null} endpoint
   * @returns {RecordedRequest}
   */
  begin(request, response, endpoint) {
    const [path, query = ''] = (request.url || '').split(/\?(.*)/s);
    /** @type {RecordedRequest} */
    const record = {
      id: ++this.requestCount,
      endpoint,
      method: request.method || '',
      url: request.url || '',
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      httpVersion: request.httpVersion,
      headers: /** @type {Record<string, string>} */ (request.headers),
      rawHeaders: pairs(request.rawHeaders),
      connection: this.connectionOf(request.socket),
      receivedAt: now(),
      body: '',
      outcome: 'pending',
    };
    this.requests.push(record);
    // A tenth at a time, so that dropping the oldest costs next to nothing per request.
    if (this.requests.length > this.limit * 1.1) this.requests.splice(0, this.requests.length - this.limit);
    response.once('close', () => this.end(record, response));
    return record;
  }

  /**
   * @param {RecordedRequest} record
   * @param {import('http').ServerResponse} response
   */
  end(record, response) {
    record.endedAt = now();
    record.outcome = response.writableFinished ? 'answered' : 'broken';
    if (response.headersSent) record.status = response.statusCode;
    this.onEnd(record);
    this.settle();
  }

  /** Lets those go on whose condition is met by now. */
  settle() {
    for (const waiter of this.waiters) {
      if (!waiter.isMet()) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /**
   * @param {() => boolean} isMet
   * @param {string} what for the error's message
   * @param {number} timeoutMillis
   * @returns {Promise<void>}
   */
  until(isMet, what, timeoutMillis) {
    return new Promise((resolve, reject) => {
      if (isMet()) return resolve();
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new Error(`waited ${timeoutMillis} ms for ${what}`));
      }, timeoutMillis);
      const waiter = {
        isMet,
        resolve() {
          clearTimeout(timer);
          resolve();
        },
      };
      this.waiters.add(waiter);
      return undefined;
    });
  }

  /** @param {Endpoint} endpoint */
  to(endpoint) {
    return this.requests.filter((record) => record.endpoint === endpoint);
  }

  /**
   * The events that were taken, in the order in which they came.
   * @param {'events' | 'batch'} [endpoint]
   * @returns {any[]}
   */
  events(endpoint) {
    return this.requests
      .filter((record) => record.taken && (endpoint === undefined || record.endpoint === endpoint))
      .flatMap((record) => record.events || []);
  }

  clear() {
    this.requests.length = 0;
  }

  /** @param {import('net').Socket} socket */
  connectionOf(socket) {
    const known = this.connections.get(socket);
    if (known !== undefined) return known;
    this.connections.set(socket, ++this.connectionCount);
    return this.connectionCount;
  }
}

/** Milliseconds since the epoch, finer than `Date.now()` and never running backwards. */
function now() {
  return performance.timeOrigin + performance.now();
}

/**
 * @param {string[]} rawHeaders
 * @returns {[string, string][]}
 */
function pairs(rawHeaders) {
  /** @type {[string, string][]} */
  const list = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) list.push([rawHeaders[i], rawHeaders[i + 1]]);
  return list;
}

module.exports = { History };
