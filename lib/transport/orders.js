'use strict';

const native = require('../native');
const { remember } = require('./causes');
const { requestThroughNode } = require('./node-http');

/**
 * Carries out what the native side orders where the caller brings its own way of sending: an `HttpClient`
 * or an `https.Agent`.
 *
 * @typedef {import('../../native/index').Order} Order
 * @typedef {{ close(): void }} Closable
 */

/**
 * @param {{ httpAgent?: any, httpClient?: any }} parts
 * @returns {(order: Order) => void}
 */
function takeOrders({ httpAgent, httpClient }) {
  /** @type {Map<number, Closable>} */
  const open = new Map();
  const take = (/** @type {Order} */ order) => {
    const { id, kind } = order;
    if (kind === 'close') {
      const closable = open.get(id);
      open.delete(id);
      if (closable) closable.close();
    } else if (httpClient !== undefined) {
      requestThroughClient(httpClient, order);
    } else {
      requestThroughNode(order, httpAgent, open);
    }
  };
  // Asked by tools that look for what keeps a process alive.
  take.hasRef = () => false;
  return take;
}

/**
 * @param {import('../../index').HttpClient} httpClient
 * @param {Order} order
 */
async function requestThroughClient(httpClient, { id, url, method, headers, body, timeoutMillis }) {
  try {
    const response = await httpClient.request(
      /** @type {string} */ (url),
      /** @type {string} */ (method),
      headersOf(headers),
      body ? Buffer.from(body).toString() : /** @type {any} */ (null),
      timeoutMillis,
    );
    native.settleRequest(id, Number(response.status), Buffer.from(String(response.body)));
  } catch (error) {
    fail(id, error);
  }
}

/**
 * @param {number} id
 * @param {unknown} error
 */
function fail(id, error) {
  const { message, code } = remember(error);
  native.settleRequest(id, undefined, undefined, undefined, message, code);
}

/**
 * @param {string[] | undefined} list names and values in turn
 * @returns {Record<string, string>}
 */
function headersOf(list = []) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (let i = 0; i < list.length; i += 2) headers[list[i]] = list[i + 1];
  return headers;
}

module.exports = { takeOrders, headersOf };
