'use strict';

/** The shop in a worker, which ends when it has nothing to do. */

const { parentPort, workerData } = require('node:worker_threads');
const { createShop } = require('./shop');

(async () => {
  const { local } = createShop(workerData.url, { exposureConfig: undefined });
  await local.start();
  parentPort.postMessage(local.evaluateV2({ user_id: 'ada' }).button.payload.text);
})();
