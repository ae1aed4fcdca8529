'use strict';

/**
 * The emulator itself: it listens, reads a request, records it, lets it go wrong where that was asked for, and answers. The parts that it
 * puts together know nothing of one another.
 */

const http = require('http');
const https = require('https');
const zlib = require('zlib');
const { send } = require('./answer');
const { generatedMember } = require('./cohorts');
const { control, isControl } = require('./control');
const { endpointOf, ordinaryAnswer } = require('./endpoints');
const { Evaluator } = require('./evaluator');
const { readEvents } = require('./events');
const { Failures } = require('./failures');
const { applyFault, reset } = require('./faults');
const { History } = require('./history');
const { Streams } = require('./streams');
const { World } = require('./world');

/**
 * @typedef {import('./index').EmulatorOptions} EmulatorOptions
 * @typedef {import('./index').Endpoint} Endpoint
 * @typedef {import('./index').RecordedRequest} RecordedRequest
 */

const LOOPBACK = '127.0.0.1';
/** Longer than any client keeps an idle connection, so that none is closed at the moment in which it is used again. */
const KEEP_CONNECTION_MILLIS = 120000;
const WAIT_MILLIS = 5000;

class Emulator {
  /**
   * @param {EmulatorOptions} [options]
   * @returns {Promise<Emulator>}
   */
  static async start(options = {}) {
    const emulator = new Emulator(options);
    await emulator.resume();
    return emulator;
  }

  /**
   * @private use `Emulator.start()`
   * @param {EmulatorOptions} options
   */
  constructor(options) {
    const {
      host = LOOPBACK,
      port = 0,
      tls,
      gzip = true,
      keepAliveMillis = 15000,
      historyLimit = 10000,
      onRequest,
    } = options;
    this.host = host;
    this.port = port;
    this.gzip = gzip;
    this.scheme = tls ? 'https' : 'http';
    this.world = new World(options);
    this.streams = new Streams(keepAliveMillis, () => this.history.settle());
    this.evaluator = new Evaluator();
    this.failures = new Failures();
    this.history = new History(historyLimit, (record) => onRequest && onRequest(record));
    /** @type {Set<import('net').Socket>} */
    this.sockets = new Set();
    /** @type {http.RequestListener} */
    const listener = (request, response) => void this.handle(request, response);
    this.server = tls ? https.createServer(tls, listener) : http.createServer(listener);
    this.server.keepAliveTimeout = KEEP_CONNECTION_MILLIS;
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  get url() {
    return `${this.scheme}://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`;
  }

  get requests() {
    return this.history.requests;
  }

  /** @param {Endpoint} endpoint */
  requestsTo(endpoint) {
    return this.history.to(endpoint);
  }

  /** @param {'events' | 'batch'} [endpoint] */
  events(endpoint) {
    return this.history.events(endpoint);
  }

  clearHistory() {
    this.history.clear();
  }

  get flags() {
    return this.world.flags;
  }

  /** @param {import('./index').World} data */
  load(data) {
    this.world.replace(data);
    this.streams.pushFlags(this.world.flags);
  }

  /** @param {any[]} flags */
  setFlags(flags) {
    this.world.setFlags(flags);
    this.streams.pushFlags(this.world.flags);
  }

  /** @param {any} flag */
  setFlag(flag) {
    this.world.setFlag(flag);
    this.streams.pushFlags(this.world.flags);
  }

  /** @param {string} key */
  removeFlag(key) {
    const removed = this.world.removeFlag(key);
    if (removed) this.streams.pushFlags(this.world.flags);
    return removed;
  }

  /** @param {import('./index').Cohort} cohort */
  setCohort(cohort) {
    this.world.setCohort(cohort);
  }

  /** @param {string} cohortId */
  removeCohort(cohortId) {
    return this.world.cohorts.delete(cohortId);
  }

  /**
   * @param {import('./index').Generate} generate
   * @param {number} index
   */
  static generatedMember(generate, index) {
    return generatedMember(generate, index);
  }

  /**
   * @param {Endpoint | 'all'} endpoint
   * @param {import('./index').Failure | import('./index').FailureChooser} failure
   */
  fail(endpoint, failure) {
    this.failures.add(endpoint, failure);
  }

  /** @param {Endpoint | 'all'} [endpoint] */
  clearFailures(endpoint) {
    this.failures.clear(endpoint);
  }

  get openStreams() {
    return this.streams.count;
  }

  /** @param {string} text */
  sendToStreams(text) {
    this.streams.push(text);
  }

  /** @param {{ reset?: boolean }} [options] */
  dropStreams({ reset: hard = false } = {}) {
    this.streams.drop(hard ? reset : undefined);
  }

  /** @param {boolean} [silent] */
  silenceStreams(silent = true) {
    this.streams.silent = silent;
  }

  /**
   * @param {Endpoint} endpoint
   * @param {number} [count]
   * @param {number} [timeoutMillis]
   * @returns {Promise<RecordedRequest[]>}
   */
  async waitForRequests(endpoint, count = 1, timeoutMillis = WAIT_MILLIS) {
    const isMet = () => this.history.to(endpoint).length >= count;
    await this.history.until(isMet, `${count} requests to ${endpoint}`, timeoutMillis);
    return this.history.to(endpoint);
  }

  /**
   * @param {number} count
   * @param {number} [timeoutMillis]
   * @returns {Promise<any[]>}
   */
  async waitForEvents(count, timeoutMillis = WAIT_MILLIS) {
    await this.history.until(() => this.history.events().length >= count, `${count} events`, timeoutMillis);
    return this.history.events();
  }

  /**
   * @param {number} count
   * @param {number} [timeoutMillis]
   * @returns {Promise<void>}
   */
  waitForStreams(count, timeoutMillis = WAIT_MILLIS) {
    return this.history.until(() => this.openStreams === count, `${count} open streams`, timeoutMillis);
  }

  /** @returns {Promise<void>} */
  resume() {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.port, this.host, () => {
        this.server.removeListener('error', reject);
        this.port = /** @type {import('net').AddressInfo} */ (this.server.address()).port;
        resolve();
      });
    });
  }

  /** @returns {Promise<void>} */
  suspend() {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.sockets) socket.destroy();
    });
  }

  async close() {
    this.streams.close();
    await this.suspend();
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  async handle(request, response) {
    // A connection that goes away in the middle is part of the job.
    response.on('error', () => {});
    try {
      if (isControl(request)) {
        const body = await readBody(request);
        if (body !== undefined) control(this, request, response, body);
        return;
      }
      await this.serve(request, response);
    } catch (error) {
      answerError(response, error);
    }
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  async serve(request, response) {
    const record = this.history.begin(request, response, endpointOf(request.url || ''));
    const body = await readBody(request);
    if (body === undefined) return;
    record.body = body;
    readDetails(record);
    this.history.settle();
    const exchange = { request, response, record, gzip: this.gzip };
    const failure = await this.failures.next(record);
    const ordinary = () => ordinaryAnswer(exchange, this);
    if (!failure) return send(exchange, ordinary());
    record.failure = failure.kind;
    await applyFault(exchange, failure, ordinary);
  }
}

/**
 * What a request says, in a form for people.
 * @param {RecordedRequest} record
 */
function readDetails(record) {
  const { headers, endpoint } = record;
  if (endpoint === 'variants') {
    record.user = decodedHeader(headers['x-amp-exp-user']);
    record.flagKeys = decodedHeader(headers['x-amp-exp-flag-keys']);
  }
  if (endpoint === 'events' || endpoint === 'batch') readEvents(record);
}

/**
 * @param {string | undefined} header base64url of JSON
 * @returns {any} undefined when it is missing or unreadable
 */
function decodedHeader(header) {
  if (header === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
  } catch (_malformed) {
    return undefined;
  }
}

/**
 * @param {http.IncomingMessage} request
 * @returns {Promise<string | undefined>} undefined when it was broken off
 */
function readBody(request) {
  return new Promise((resolve) => {
    /** @type {Buffer[]} */
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.once('error', () => resolve(undefined));
    request.once('aborted', () => resolve(undefined));
    request.once('end', () => {
      const body = Buffer.concat(pieces);
      resolve(String(request.headers['content-encoding'] === 'gzip' ? unzipped(body) : body));
    });
  });
}

/** @param {Buffer} body */
function unzipped(body) {
  try {
    return zlib.gunzipSync(body);
  } catch (_notCompressed) {
    return body;
  }
}

/**
 * @param {http.ServerResponse} response
 * @param {unknown} error
 */
function answerError(response, error) {
  const message = error instanceof Error ? error.message : String(error);
  if (response.headersSent || !response.socket) {
    if (response.socket) response.socket.destroy();
    return;
  }
  response.writeHead(500, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ code: 500, error: `the emulator failed: ${message}` }));
}

module.exports = { Emulator };
