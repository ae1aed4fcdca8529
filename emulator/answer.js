'use strict';

/**
 * What an endpoint answers, and how it goes out on the wire. A body is one piece, or pieces that come over time (a big cohort,
 * a stream); faults change a body on its way by wrapping it.
 */

const zlib = require('zlib');
const { Readable } = require('stream');

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {Record<string, string | number>} [headers]
 * @property {Buffer | AsyncIterable<Buffer>} body
 * @property {boolean} [live] its pieces must go out as they come: never compressed
 *
 * @typedef {object} Exchange one request and the way to answer it
 * @property {import('http').IncomingMessage} request
 * @property {import('http').ServerResponse} response
 * @property {import('./index').RecordedRequest} record
 * @property {boolean} gzip whether the answer may be compressed
 */

/** Bodies below this many bytes are not worth compressing. */
const COMPRESS_FROM = 1024;

/**
 * @param {number} status
 * @param {unknown} value a string goes out as it is, anything else as JSON
 * @param {Record<string, string>} [headers]
 * @returns {Answer}
 */
function answer(status, value, headers = {}) {
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

/**
 * Sends an answer to its end, or until the client is gone.
 *
 * @param {Exchange} exchange
 * @param {Answer} given
 * @param {(body: AsyncIterable<Buffer>) => AsyncIterable<Buffer>} [change] what happens to the body's bytes on their way
 */
async function send(exchange, given, change = (body) => body) {
  const { response } = exchange;
  const compressed = compress(exchange, given);
  const { status, headers = {}, body } = compressed;
  const length =
    Buffer.isBuffer(body) && headers['content-length'] === undefined ? { 'content-length': body.length } : {};
  const pieces = change(Buffer.isBuffer(body) ? single(body) : body);
  // An answer without a body has no length either (204, 304).
  response.writeHead(
    status,
    Buffer.isBuffer(body) && body.length === 0 && status !== 200 ? headers : { ...length, ...headers },
  );
  response.flushHeaders();
  for await (const piece of pieces) {
    if (isGone(response)) return;
    if (!response.write(piece)) await drained(response);
  }
  if (!isGone(response)) response.end();
}

/**
 * @param {Exchange} exchange
 * @param {Answer} given
 * @returns {Answer}
 */
function compress(exchange, given) {
  const { body, headers = {} } = given;
  const accepted = String(exchange.request.headers['accept-encoding'] || '');
  if (!exchange.gzip || given.live || headers['content-encoding'] || !/\bgzip\b/.test(accepted)) return given;
  if (Buffer.isBuffer(body) && body.length < COMPRESS_FROM) return given;
  const source = Buffer.isBuffer(body) ? single(body) : body;
  return { ...given, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzip(source) };
}

/**
 * @param {AsyncIterable<Buffer>} body
 * @returns {AsyncIterable<Buffer>}
 */
function gzip(body) {
  const source = Readable.from(body, { objectMode: false });
  return source.pipe(zlib.createGzip({ level: 1 }));
}

/** @param {Buffer} body */
async function* single(body) {
  if (body.length > 0) yield body;
}

/**
 * Whether nothing can be sent any more.
 * @param {import('http').ServerResponse} response
 */
function isGone(response) {
  return response.writableEnded || !response.socket || response.socket.destroyed;
}

/**
 * Resolves when more can be written, or when it will never be.
 * @param {import('http').ServerResponse} response
 * @returns {Promise<void>}
 */
function drained(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.removeListener('drain', done);
      response.removeListener('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/**
 * Resolves when the connection of a response has gone away.
 * @param {import('http').ServerResponse} response
 * @returns {Promise<void>}
 */
function gone(response) {
  return new Promise((resolve) => {
    if (isGone(response)) resolve();
    else response.once('close', () => resolve());
  });
}

/**
 * Waits, or less when the connection goes away meanwhile.
 * @param {import('http').ServerResponse} response
 * @param {number} millis
 * @returns {Promise<void>}
 */
function pause(response, millis) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, millis);
    response.once('close', done);
    function done() {
      clearTimeout(timer);
      response.removeListener('close', done);
      resolve();
    }
  });
}

module.exports = { answer, send, gzip, gone, isGone, pause };
