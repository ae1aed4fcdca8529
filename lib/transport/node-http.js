'use strict';

const native = require('../native');
const { remember } = require('./causes');

/**
 * Requests through Node's own HTTP client, for callers who bring an `https.Agent`. The deadline is kept by whoever
 * ordered the request, and ends it through `close`.
 *
 * @typedef {import('../../native/index').Order} Order
 */

/**
 * Node's agents are for https; plain http goes without.
 * @param {Order} order
 * @param {any} httpAgent
 * @param {(response: import('http').IncomingMessage) => void} onResponse
 * @param {(error: Error) => void} onError
 */
function send({ url, method, headers = [], body }, httpAgent, onResponse, onError) {
  const target = new URL(/** @type {string} */ (url));
  const secure = target.protocol === 'https:';
  /** @type {Record<string, string>} */
  const named = {};
  for (let i = 0; i < headers.length; i += 2) named[headers[i]] = headers[i + 1];
  const options = { method, headers: named, agent: secure ? httpAgent : undefined };
  const request = (secure ? require('https') : require('http')).request(target, options, onResponse);
  request.on('error', onError);
  request.end(body && Buffer.from(body));
  return request;
}

/**
 * @param {Order} order
 * @param {any} httpAgent
 * @param {() => void} done
 */
function requestThroughNode(order, httpAgent, done) {
  const { id } = order;
  const failed = (/** @type {unknown} */ error) => {
    done();
    const { message, code } = remember(error);
    native.settleRequest(id, undefined, undefined, undefined, message, code);
  };
  try {
    const request = send(
      order,
      httpAgent,
      (response) => {
        /** @type {Buffer[]} */
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('aborted', () => failed(Object.assign(new Error('aborted'), { code: 'ECONNRESET' })));
        response.on('error', failed);
        response.on('end', () => {
          done();
          const seconds = Number(response.headers['retry-after']);
          const retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
          native.settleRequest(id, response.statusCode, Buffer.concat(chunks), retryAfter);
        });
      },
      failed,
    );
    return { close: () => request.destroy() };
  } catch (error) {
    failed(error);
    return { close() {} };
  }
}

module.exports = { requestThroughNode, send };
