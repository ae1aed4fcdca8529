'use strict';

/**
 * `fetchV2` against the package that this one replaces: fetches a second, latency, and what the process spends on one, with
 * 1, 10 and 100 under way. Each package has a process, the server has one, and the packages take turns. `--quick` for
 * a short run. Exits with 1 where a goal is missed.
 */

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { bench } = require('./bench');
const { duration, median, table } = require('./measure');

const PACKAGES = { upstream: '@amplitude/experiment-node-server', ours: path.join(__dirname, '..') };
/**
 * Requests under way at once, and how many times upstream's fetches a second there have to be: as many with one, and more with
 * others. With ten the emulator has no time left and both packages wait for it: there they are level within what two runs
 * of the same differ by.
 */
const CASES = [
  { server: 'emulator', inFlight: 1, goal: 1 },
  { server: 'emulator', inFlight: 10, goal: 0.95 },
  { server: 'emulator', inFlight: 100, goal: 1 },
  { server: 'lean', inFlight: 1, goal: 1 },
  { server: 'lean', inFlight: 10, goal: 1 },
  { server: 'lean', inFlight: 100, goal: 1 },
];
const SERVERS = ['emulator', 'lean'];
const ROUNDS = 9;

/**
 * @typedef {{ perSecond: number, p50: number, p99: number, cpu: number, loop: number }} Load times in nanoseconds
 * @typedef {{ server: string, inFlight: number, goal: number, upstream: Load, ours: Load }} Row
 */

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Row[]>}
 */
async function measure({ quick }) {
  const millis = quick ? 300 : 1000;
  const rows = [];
  for (const server of SERVERS) {
    const { child, first: url } = await start('server.js', [server]);
    const clients = Object.values(PACKAGES).map((name) => startClient(name, url));
    for (const client of clients) await load(client, 100, millis);
    for (const { inFlight, goal } of CASES.filter((one) => one.server === server)) {
      /** @type {Load[][]} */
      const loads = clients.map(() => []);
      for (let round = 0; round < ROUNDS; round++) {
        for (const [index, client] of clients.entries())
          loads[index].push(await load(client, inFlight, millis));
      }
      const [upstream, ours] = loads.map(medians);
      rows.push({ server, inFlight, goal, upstream, ours });
    }
    for (const client of clients) client.disconnect();
    child.disconnect();
  }
  return rows;
}

/** @param {Load[]} loads */
function medians(loads) {
  const of = (/** @type {keyof Load} */ name) => median(loads.map((load) => load[name]));
  return { perSecond: of('perSecond'), p50: of('p50'), p99: of('p99'), cpu: of('cpu'), loop: of('loop') };
}

/**
 * @param {string} file
 * @param {string[]} args
 * @returns {Promise<{ child: import('node:child_process').ChildProcess, first: any }>} with its first message
 */
async function start(file, args) {
  const child = fork(path.join(__dirname, 'remote', file), args);
  const [first] = await once(child, 'message');
  return { child, first };
}

/**
 * @param {string} name
 * @param {string} url
 */
function startClient(name, url) {
  return fork(path.join(__dirname, 'remote', 'client.js'), [name, url]);
}

/**
 * @param {import('node:child_process').ChildProcess} client
 * @param {number} inFlight
 * @param {number} millis
 * @returns {Promise<Load>}
 */
async function load(client, inFlight, millis) {
  client.send({ inFlight, millis });
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error('a client has failed'));
    client.once('exit', failed);
    client.once('message', (/** @type {Load} */ result) => {
      client.off('exit', failed);
      resolve(result);
    });
  });
}

/** @param {Row[]} rows */
function report(rows) {
  console.log(`fetchV2, medians of ${ROUNDS} rounds that take turns, Node ${process.version}`);
  table([
    ['server', 'in flight', '', 'fetches/s', 'p50', 'p99', 'processor', 'event loop', 'ratio', 'goal'],
    ...rows.flatMap(({ server, inFlight, goal, upstream, ours }) =>
      Object.entries({ upstream, ours }).map(([name, { perSecond, p50, p99, cpu, loop }]) => [
        server,
        String(inFlight),
        name,
        perSecond.toFixed(0),
        ...[p50, p99, cpu, loop].map(duration),
        name === 'ours' ? `${(perSecond / upstream.perSecond).toFixed(2)}x` : '',
        name === 'ours' && goal > 0 ? `${goal}x` : '',
      ]),
    ),
  ]);
  return rows.every(({ goal, upstream, ours }) => ours.perSecond >= goal * upstream.perSecond);
}

bench(module, { measure, report });
