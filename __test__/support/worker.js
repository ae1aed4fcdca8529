'use strict';

/**
 * A worker thread with one client, which does what the test on the main thread asks for.
 *
 * On the worker's side: a client of `workerData`, and answers to messages. On the main side: {@link spawn}.
 */

const { parentPort, workerData, Worker } = require('worker_threads');
const { once } = require('events');
const path = require('path');

/**
 * @param {{ apiKey?: string, config?: any, store?: boolean }} data `store`: whether the client has a store of flags
 */
async function spawn(data = {}) {
  const worker = new Worker(__filename, { workerData: data });
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  /** @type {string[]} */
  const lines = [];
  let last = 0;
  worker.on('message', ({ id, value, error, line }) => {
    if (line) return lines.push(line);
    const { resolve, reject } = waiting.get(id) || { resolve() {}, reject() {} };
    waiting.delete(id);
    if (error) reject(Object.assign(new Error(error.message), error));
    else resolve(value);
  });
  worker.on('error', (error) => waiting.forEach(({ reject }) => reject(error)));
  worker.on('exit', () => waiting.forEach(({ reject }) => reject(new Error('the worker has gone'))));
  /** @param {string} name @param {...any} parameters */
  const ask = (name, ...parameters) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, name, parameters });
    });
  await once(worker, 'message');
  return { worker, lines, ask, terminate: () => worker.terminate() };
}

const LEVELS = ['error', 'warn', 'info', 'debug', 'verbose'];

/** A logger that tells the main thread. */
function telling() {
  return Object.fromEntries(
    LEVELS.map((level) => [
      level,
      (/** @type {any} */ message) => parentPort && parentPort.postMessage({ line: `${level} ${message}` }),
    ]),
  );
}

function work() {
  const port = /** @type {import('worker_threads').MessagePort} */ (parentPort);
  const { LocalEvaluationClient } = require(path.join(__dirname, '..', '..'));
  const { apiKey = 'server-key', config, store } = workerData;
  /** @type {Record<string, any>} what the store holds */
  let stored = {};
  const cache = {
    clear: async () => (stored = {}),
    putAll: async (/** @type {any} */ flags) => Object.assign(stored, flags),
  };
  const client = new LocalEvaluationClient(
    apiKey,
    { loggerProvider: telling(), ...config },
    store ? /** @type {any} */ (cache) : undefined,
  );
  /** @type {Record<string, (...parameters: any[]) => any>} */
  const answers = {
    start: () => client.start(),
    startStopStart: async () => {
      const first = client.start();
      client.stop();
      await client.start();
      await first;
    },
    stop: () => client.stop(),
    flush: () => client.flush(),
    close: (options) => client.close(options),
    evaluate: (user, options) => client.evaluateV2(user, undefined, options),
    flags: () => Object.keys(client.cache.getAllCached()),
    put: (key, flag) => client.cache.put(key, flag),
    cohorts: () => [...client.cohortStorage.getAllCohortIds()],
    stored: () => Object.keys(stored),
    memory: () => /** @type {any} */ (global.gc(), process.memoryUsage()),
  };
  port.postMessage({ id: 0 });
  port.on('message', async ({ id, name, parameters }) => {
    try {
      port.postMessage({ id, value: await answers[name](...parameters) });
    } catch (error) {
      const { message, code } = /** @type {any} */ (error);
      port.postMessage({ id, error: { message, code } });
    }
  });
}

if (require.main === module) work();

module.exports = { spawn };
