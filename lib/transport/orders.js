'use strict';

const native = require('../native');
const { requestThroughNode, streamThroughNode } = require('./node-http');

/**
 * Carries out what the native side orders where the caller brings its own way of sending: an `HttpClient`, an
 * event source factory, an `https.Agent`.
 *
 * @typedef {import('../../native/index').Order} Order
 * @typedef {{ close(): void }} Closable
 */

/**
 * @param {{ httpAgent?: any, httpClient?: any, streamEventSourceFactory?: any }} parts
 * @returns {(order: Order) => void}
 */
function takeOrders({ httpAgent, httpClient, streamEventSourceFactory }) {
  /** @type {Map<number, Closable>} */
  const open = new Map();
  return (order) => {
    const { id, kind } = order;
    if (kind === 'close') {
      const closable = open.get(id);
      open.delete(id);
      if (closable) closable.close();
    } else if (kind === 'request') {
      if (httpClient !== undefined) requestThroughClient(httpClient, order);
      else open.set(id, requestThroughNode(order, httpAgent, () => open.delete(id)));
    } else {
      const stream = streamEventSourceFactory
        ? streamThroughFactory(streamEventSourceFactory, order)
        : streamThroughNode(order, httpAgent);
      if (stream) open.set(id, stream);
    }
  };
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
    const text = response.body === undefined || response.body === null ? '' : String(response.body);
    native.settleRequest(id, Number(response.status), Buffer.from(text));
  } catch (error) {
    fail(id, error);
  }
}

/**
 * @param {number} id
 * @param {unknown} error
 */
function fail(id, error) {
  const { message, code } = /** @type {any} */ (error instanceof Error ? error : new Error(String(error)));
  native.settleRequest(id, undefined, undefined, undefined, message, code === undefined ? code : String(code));
}

/**
 * @param {import('../../index').StreamEventSourceFactory} factory
 * @param {Order} order
 * @returns {Closable | undefined}
 */
function streamThroughFactory(factory, { id, url, headers }) {
  let source;
  try {
    source = factory(/** @type {string} */ (url), { headers: headersOf(headers) });
  } catch (error) {
    native.streamFailed(id, undefined, String(/** @type {any} */ (error).message || error), undefined);
    return undefined;
  }
  const stream = source;
  stream.onerror = (/** @type {any} */ event) => {
    const { status, message } = event || {};
    native.streamFailed(id, Number.isInteger(status) ? status : undefined, String(message), undefined);
  };
  stream.onmessage = (/** @type {any} */ event) => {
    native.streamOpened(id);
    native.streamData(id, String(event.data));
  };
  stream.onopen = (/** @type {any} */ event) => {
    if (!event || event.type === 'open') native.streamOpened(id);
  };
  return { close: () => stream.close() };
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

module.exports = { takeOrders, headersOf, fail };
