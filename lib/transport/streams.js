'use strict';

const native = require('../native');
const { describe, textOf } = require('./causes');
const { headersOf } = require('./orders');

/**
 * Opens the streams that the native side orders, through a caller's event source factory.
 *
 * @typedef {import('../../native/index').Order} Order
 */

/**
 * @param {import('../../index').StreamEventSourceFactory} factory
 * @returns {(order: Order) => void}
 */
function takeStreamOrders(factory) {
  /** @type {Map<number, import('../../index').StreamEventSource>} */
  const open = new Map();
  const take = (/** @type {Order} */ order) => {
    const { id, kind } = order;
    // Sources that have failed may go on trying by themselves: each is closed, however it ends.
    const close = () => {
      const source = open.get(id);
      open.delete(id);
      try {
        if (source) source.close();
      } catch {
        // A source that cannot be closed is no longer listened to all the same.
      }
    };
    if (kind === 'close') return close();
    try {
      listen(factory, order, (source) => open.set(id, source), close);
    } catch (error) {
      close();
      native.streamFailed(id, undefined, describe(error).message);
    }
  };
  take.hasRef = () => false;
  return take;
}

/**
 * @param {import('../../index').StreamEventSourceFactory} factory
 * @param {Order} order
 * @param {(source: import('../../index').StreamEventSource) => void} keep
 * @param {() => void} close closes what is kept
 */
function listen(factory, { id, url, headers }, keep, close) {
  const { Authorization, 'X-Amp-Exp-Library': library } = headersOf(headers);
  // An event source says by itself what it accepts and that nothing is to be cached.
  const params = { headers: { Authorization, 'X-Amp-Exp-Library': library } };
  const source = factory(/** @type {string} */ (url), params);
  // One may fail as soon as somebody listens.
  keep(source);
  source.onerror = (event) => {
    const { status, message } = event || {};
    close();
    native.streamFailed(id, Number.isInteger(status) ? status : undefined, textOf(message));
  };
  source.onmessage = (event) => {
    native.streamOpened(id);
    native.streamData(id, String(event.data));
  };
  source.onopen = (event) => {
    if (event && event.type === 'open') native.streamOpened(id);
  };
}

module.exports = { takeStreamOrders };
