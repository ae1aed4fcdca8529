'use strict';

const native = require('./native');
const { describe } = require('./transport/causes');

/**
 * A caller's own way of sending events (`transportProvider`) and of keeping those that are not delivered
 * (`storageProvider`): what the native side orders, carried out. One that lacks a method or throws has failed, which the
 * native side logs, and makes up for where it can.
 *
 * @typedef {import('../native/index').Order} Order
 */

/** By what a transport says became of a request: the HTTP status that says the same. */
const STATUSES = /** @type {Record<string, number>} */ ({
  success: 200,
  invalid: 400,
  payload_too_large: 413,
  rate_limit: 429,
  Timeout: 408,
  failed: 500,
});

/**
 * @param {any} config of the client
 * @returns {((order: Order) => void) | undefined} nothing, where the caller provides nothing
 */
function takeProviderOrders({ exposureConfig, assignmentConfig }) {
  const configs = /** @type {Record<string, any>} */ ({
    exposure: exposureConfig || {},
    assignment: assignmentConfig || {},
  });
  if (!Object.values(configs).some((config) => config.transportProvider || config.storageProvider))
    return undefined;
  const take = async (/** @type {Order} */ order) => {
    const { id, kind, pipeline } = order;
    // Nobody waits for it any more; there is no way to tell the caller.
    if (kind === 'close') return;
    const { transportProvider, storageProvider } = configs[/** @type {string} */ (pipeline)];
    try {
      if (kind === 'send') settle(id, await send(transportProvider, order));
      else if (kind === 'load') settle(id, { status: 200, body: await load(storageProvider, order) });
      else settle(id, { status: 200, body: await save(storageProvider, order) });
    } catch (error) {
      native.settleRequest(id, undefined, undefined, undefined, describe(error).message);
    }
  };
  // Asked by tools that look for what keeps a process alive.
  take.hasRef = () => false;
  return take;
}

/**
 * @param {number} id
 * @param {{ status: number, body: string | undefined }} answer
 */
function settle(id, { status, body }) {
  native.settleRequest(id, status, body === undefined ? undefined : Buffer.from(body));
}

/**
 * @param {any} provider
 * @param {Order} order
 */
async function send(provider, { url, body, compress }) {
  const response = await provider.send(url, parsed(body), compress);
  if (!response) throw new Error('the transport provider gave no response');
  return { status: statusOf(response), body: JSON.stringify(bodyOf(response)) };
}

/**
 * What a response says by its word for it; by its number, where it has no word or one that leaves more than one open.
 * @param {any} response
 */
function statusOf({ status, statusCode }) {
  const code = Number(statusCode);
  const meant = Object.prototype.hasOwnProperty.call(STATUSES, status) ? STATUSES[status] : undefined;
  if (meant === undefined) return typeof status === 'string' ? 0 : code || Number(status) || 0;
  const isOpen = meant === 400 || meant === 500;
  return isOpen && Math.floor(code / 100) * 100 === meant && !Object.values(STATUSES).includes(code)
    ? code
    : meant;
}

/**
 * The body, without the code that would count before the status.
 * @param {any} response
 */
function bodyOf({ status, body }) {
  if (typeof status !== 'string' || !body || typeof body !== 'object') return body;
  const { code, ...rest } = body;
  return rest;
}

/**
 * @param {any} provider
 * @param {Order} order
 */
async function load(provider, { key }) {
  const events = await provider.get(key);
  return events === undefined || events === null ? undefined : JSON.stringify(events);
}

/**
 * @param {any} provider
 * @param {Order} order
 */
async function save(provider, { key, body }) {
  await provider.set(key, parsed(body));
  return undefined;
}

/** @param {Uint8Array | undefined} body */
function parsed(body) {
  return JSON.parse(Buffer.from(body || []).toString());
}

module.exports = { takeProviderOrders };
