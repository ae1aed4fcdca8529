'use strict';

/**
 * The ways in which an answer can go wrong on the wire. Each takes the exchange, its options and the answer that a healthy server would
 * give; it resolves when nothing more will be sent.
 *
 * Faults that call `ordinary()` have the server do its work (it takes the events, it counts the stream) and spoil the answer;
 * the others answer in its place.
 */

const { answer, gzip, send, gone, pause } = require('./answer');

/**
 * @typedef {import('./answer').Answer} Answer
 * @typedef {import('./answer').Exchange} Exchange
 * @typedef {import('./index').Endpoint} Endpoint
 * @typedef {(exchange: Exchange, options: any, ordinary: () => Answer) => Promise<void>} Fault
 */

/** Long enough for a reader on this machine to see what was sent before a reset discards the rest. */
const SEEN_MILLIS = 20;
const GIB = 1024 ** 3;
const SPACES = Buffer.alloc(64 * 1024, ' ');

/** @type {Record<string, Fault>} */
const FAULTS = {
  /** Nothing but the delay. */
  delay: (exchange, _options, ordinary) => send(exchange, ordinary()),

  /** Another status, with a body and headers of the caller's. */
  status: (exchange, { status, body = '', headers }) => send(exchange, answer(status, body, headers)),

  /** The connection is closed, or reset, before a byte of the answer. */
  close: async ({ response }) => void socketOf(response).destroy(),
  reset: async ({ response }) => reset(response),

  /** The connection is reset in the middle of the headers. */
  'reset-in-headers': async ({ response }) => {
    socketOf(response).write('HTTP/1.1 200 OK\r\nContent-Type: applic');
    await pause(response, SEEN_MILLIS);
    reset(response);
  },

  /** The connection is closed in the middle of the body; headers promise all of it. */
  cut: (exchange, { afterBytes = 8, reset: hard = false }, ordinary) => {
    const { response } = exchange;
    const breakOff = async () => {
      if (hard) {
        await pause(response, SEEN_MILLIS);
        reset(response);
      } else {
        socketOf(response).destroySoon();
        await gone(response);
      }
    };
    return send(exchange, ordinary(), (body) => followed(limited(body, afterBytes), breakOff));
  },

  /** The answer stops in the middle of the body and the connection stays open. */
  stall: (exchange, { afterBytes = 8 }, ordinary) =>
    send(exchange, ordinary(), (body) => followed(limited(body, afterBytes), () => gone(exchange.response))),

  /** The body comes a few bytes at a time. */
  drip: (exchange, { chunkBytes = 1, everyMillis = 50 }, ordinary) =>
    send(exchange, ordinary(), (body) =>
      dripped(body, chunkBytes, () => pause(exchange.response, everyMillis)),
    ),

  /** No answer; the connection stays open. */
  silence: ({ response }) => gone(response),

  /** A `Content-Length` that differs from the body by so many bytes. */
  'wrong-length': async (exchange, { by = 10 }, ordinary) => {
    const given = ordinary();
    const length = Buffer.isBuffer(given.body) ? given.body.length : 0;
    await send(
      { ...exchange, gzip: false },
      { ...given, headers: { ...given.headers, 'content-length': Math.max(0, length + by) } },
    );
  },

  /** JSON that ends too early. */
  'wrong-json': (exchange) => send(exchange, spoiled(exchange, '[{"key":"a", ')),

  /** JSON that is not of the type that the endpoint answers with. */
  'wrong-type': (exchange) => send(exchange, spoiled(exchange, WRONG_TYPES[endpointOf(exchange)])),

  /** The proper answer, said to be something else. */
  'wrong-content-type': (exchange, { contentType = 'text/html' }, ordinary) => {
    const given = ordinary();
    return send(exchange, { ...given, headers: { ...given.headers, 'content-type': contentType } });
  },

  /** A body that goes on and on. What comes before its end is proper JSON, or one unfinished event. */
  gigantic: (exchange, { bytes = GIB }) =>
    send({ ...exchange, gzip: false }, { ...spoiled(exchange, ''), body: gigantic(exchange, bytes) }),

  /** A small compressed body that unpacks to a gigantic one. */
  'gzip-bomb': (exchange, { bytes = GIB }) => {
    const { status, headers } = spoiled(exchange, '');
    return send(exchange, {
      status,
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: gzip(gigantic(exchange, bytes)),
    });
  },

  /** A redirect: to itself, for ever, unless a location is stated. */
  redirect: (exchange, { status = 302, location }) => {
    const { request, record } = exchange;
    const scheme = 'encrypted' in request.socket ? 'https' : 'http';
    const target = location === undefined ? `${scheme}://${request.headers.host}${record.url}` : location;
    return send(exchange, answer(status, '', { location: target }));
  },

  /** Informational answers before the proper one. */
  informational: (exchange, { status = 103, count = 1 }, ordinary) => {
    for (let i = 0; i < count; i++)
      socketOf(exchange.response).write(`HTTP/1.1 ${status} Informational\r\n\r\n`);
    return send(exchange, ordinary());
  },
};

/** @type {Record<Endpoint, string>} */
const WRONG_TYPES = {
  flags: '{"flags":"not an array"}',
  variants: '"not an object"',
  cohort: '{"cohortId":7,"memberIds":"not an array"}',
  stream: '{"flags":"not an array"}',
  events: '"not an object"',
  batch: '"not an object"',
};

/**
 * Has an exchange go wrong.
 * @param {Exchange} exchange
 * @param {import('./index').Failure} failure
 * @param {() => Answer} ordinary
 */
async function applyFault(exchange, failure, ordinary) {
  if (failure.delayMillis) await pause(exchange.response, failure.delayMillis);
  if (socketOf(exchange.response).destroyed) return;
  await FAULTS[failure.kind](exchange, failure, ordinary);
}

/**
 * A successful answer of the endpoint's own kind with another text in it.
 * @param {Exchange} exchange
 * @param {string} text
 * @returns {Answer}
 */
function spoiled(exchange, text) {
  if (endpointOf(exchange) !== 'stream') return answer(200, text);
  return answer(200, `data: ${text}\n\n`, { 'content-type': 'text/event-stream' });
}

/**
 * @param {Exchange} exchange
 * @param {number} bytes
 */
async function* gigantic(exchange, bytes) {
  yield Buffer.from(endpointOf(exchange) === 'stream' ? 'data: [' : '[');
  for (let left = bytes; left > 0; left -= SPACES.length)
    yield left < SPACES.length ? SPACES.slice(0, left) : SPACES;
  yield Buffer.from(']');
}

/**
 * @param {AsyncIterable<Buffer>} body
 * @param {number} bytes
 */
async function* limited(body, bytes) {
  let left = bytes;
  if (left <= 0) return;
  for await (const piece of body) {
    yield piece.slice(0, left);
    left -= piece.length;
    if (left <= 0) return;
  }
}

/**
 * A body, and then something else before the answer may end.
 * @param {AsyncIterable<Buffer>} body
 * @param {() => Promise<void>} next
 */
async function* followed(body, next) {
  yield* body;
  await next();
}

/**
 * @param {AsyncIterable<Buffer>} body
 * @param {number} chunkBytes
 * @param {() => Promise<void>} rest
 */
async function* dripped(body, chunkBytes, rest) {
  for await (const piece of body) {
    for (let at = 0; at < piece.length; at += chunkBytes) {
      yield piece.slice(at, at + chunkBytes);
      await rest();
    }
  }
}

/** @param {import('http').ServerResponse} response */
function reset(response) {
  const socket = socketOf(response);
  // Under TLS only the connection below can be reset.
  const below = /** @type {any} */ (socket)._parent || socket;
  // `resetAndDestroy()` says goodbye properly before it resets, which a client may see first. With this mark, by which it
  // has a socket reset, there is no goodbye. (Node before 16.17 cannot reset: there the connection is closed.)
  below.resetAndClosing = typeof below.resetAndDestroy === 'function';
  below.destroy();
  socket.destroy();
}

/**
 * @param {import('http').ServerResponse} response
 * @returns {import('net').Socket}
 */
function socketOf(response) {
  return /** @type {import('net').Socket} */ (response.socket);
}

/**
 * @param {Exchange} exchange
 * @returns {Endpoint}
 */
function endpointOf({ record }) {
  return /** @type {Endpoint} */ (record.endpoint);
}

module.exports = { FAULTS, applyFault, reset };
