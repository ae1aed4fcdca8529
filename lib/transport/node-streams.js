'use strict';

const native = require('../native');
const { remember, describe } = require('./causes');
const { send } = require('./node-http');

/**
 * Event streams through Node's own HTTP client, for callers who bring an `https.Agent`. The native side reads the
 * events; here are the connection and its redirects. A stream does not keep the process alive.
 *
 * @typedef {import('../../native/index').Order} Order
 * @typedef {import('http').IncomingMessage} IncomingMessage
 */

/** How many redirects one connection follows. */
const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 307, 308];

/**
 * @param {any} httpAgent
 * @returns {(order: Order) => void}
 */
function takeAgentStreamOrders(httpAgent) {
  /** @type {Map<number, import('http').ClientRequest>} */
  const open = new Map();
  const take = (/** @type {Order} */ order) => {
    const { id, kind } = order;
    const request = open.get(id);
    if (kind === 'close') {
      open.delete(id);
      if (request) request.destroy();
    } else {
      connect(order, httpAgent, open, MAX_REDIRECTS);
    }
  };
  // Asked by tools that look for what keeps a process alive.
  take.hasRef = () => false;
  return take;
}

/**
 * @param {Order} order
 * @param {any} httpAgent
 * @param {Map<number, import('http').ClientRequest>} open
 * @param {number} redirects how many more are followed
 */
function connect(order, httpAgent, open, redirects) {
  const { id } = order;
  const failed = (/** @type {unknown} */ error) => {
    const { message, code } = remember(error);
    fail(open, id, undefined, message, code);
  };
  try {
    const request = send(order, httpAgent, answered, failed);
    // An agent may give any duplex stream.
    request.on('socket', (socket) => socket.unref && socket.unref());
    open.set(id, request);
  } catch (error) {
    failed(error);
  }

  /** @param {IncomingMessage} response */
  function answered(response) {
    const { statusCode = 0, statusMessage = '' } = response;
    if (statusCode === 200) return read(response, open, id);
    const next = destination(order, response);
    response.destroy();
    if (next === undefined) return fail(open, id, statusCode, statusMessage);
    if (redirects === 0)
      return fail(open, id, undefined, `more than ${MAX_REDIRECTS} redirects`, 'ERR_TOO_MANY_REDIRECTS');
    connect(next, httpAgent, open, redirects - 1);
  }
}

/**
 * @param {IncomingMessage} response
 * @param {Map<number, import('http').ClientRequest>} open
 * @param {number} id
 */
function read(response, open, id) {
  native.streamOpened(id);
  response.on('data', (chunk) => native.streamBytes(id, chunk));
  response.on('end', () => fail(open, id, undefined, 'stream ended', 'ERR_STREAM_ENDED'));
  response.on('aborted', () => fail(open, id, undefined, 'aborted', 'ECONNRESET'));
  response.on('error', (error) => {
    const { message, code } = describe(error);
    fail(open, id, undefined, message, code);
  });
}

/**
 * The order for where a redirect leads, without the key where that is somebody else's.
 * @param {Order} order
 * @param {IncomingMessage} response
 * @returns {Order | undefined}
 */
function destination(order, { statusCode = 0, headers: { location } }) {
  if (!REDIRECTS.includes(statusCode) || location === undefined) return undefined;
  const from = new URL(/** @type {string} */ (order.url));
  try {
    const to = new URL(location, from);
    const headers = to.origin === from.origin ? order.headers : without('authorization', order.headers);
    return { ...order, url: to.href, headers };
  } catch {
    return undefined;
  }
}

/**
 * @param {string} name
 * @param {string[]} [headers] names and values in turn
 */
function without(name, headers = []) {
  return headers.filter((_, i) => headers[i - (i % 2)].toLowerCase() !== name);
}

/**
 * @param {Map<number, import('http').ClientRequest>} open
 * @param {number} id
 * @param {number | undefined} status
 * @param {string} message
 * @param {string} [code]
 */
function fail(open, id, status, message, code) {
  open.delete(id);
  native.streamFailed(id, status, message, code);
}

module.exports = { takeAgentStreamOrders };
