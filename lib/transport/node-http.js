'use strict';

const native = require('../native');
const { remember } = require('./causes');

/**
 * Requests through Node's own HTTP client, for callers who bring an `https.Agent`. The deadline is kept by whoever
 * ordered the request, and ends it through `close`. Answers have the bound that they have without an agent.
 *
 * @typedef {import('../../native/index').Order} Order
 */

const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** In the URLs of answers that may be of any size. */
const COHORTS = '/sdk/v1/cohort/';

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
 * @param {Map<number, { close(): void }>} open holds the request until it has its answer or is closed
 */
function requestThroughNode(order, httpAgent, open) {
  const { id, url } = order;
  const limit = String(url).includes(COHORTS) ? Infinity : MAX_BODY_BYTES;
  /** @type {import('http').ClientRequest | undefined} */
  let request;
  // Something may fail before there is a request.
  open.set(id, { close: () => request && request.destroy() });
  const failed = (/** @type {unknown} */ error) => {
    if (!open.delete(id)) return;
    const { message, code } = remember(error);
    native.settleRequest(id, undefined, undefined, undefined, message, code);
  };
  try {
    request = send(
      order,
      httpAgent,
      (response) => {
        /** @type {Buffer[]} */
        const chunks = [];
        let bytes = 0;
        response.on('data', (chunk) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes <= limit) return;
          chunks.length = 0;
          failed(Object.assign(new Error('response is too large'), { code: 'ERR_BODY_TOO_LARGE' }));
          response.destroy();
        });
        response.on('aborted', () => failed(Object.assign(new Error('aborted'), { code: 'ECONNRESET' })));
        response.on('error', failed);
        response.on('end', () => {
          if (!open.delete(id)) return;
          const seconds = Number(response.headers['retry-after']);
          const retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
          native.settleRequest(id, response.statusCode, Buffer.concat(chunks), retryAfter);
        });
      },
      failed,
    );
  } catch (error) {
    failed(error);
  }
}

module.exports = { requestThroughNode, send };
