'use strict';

/**
 * `npm run soak [-- --minutes 10]`: an Express server of two worker processes under load, while a flag changes every second
 * and cohorts change, streaming, with exposures on; first with this package, then as long with the one that it replaces.
 * Then clients and worker threads come and go (`soak-clients.js`; fewer of them below ten minutes). Prints the figures and
 * each goal; exits with 1 where one is missed. `--record` writes the figures into `docs/soak.md`.
 */

const { execFile, fork, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { about } = require('../benches/document/machine');
const { table } = require('../benches/document/markdown');
const { install } = require('../benches/peers/install');
const { goals, growth, slope, millis, mib } = require('./soak/goals');

/**
 * @typedef {import('./soak/goals').Run} Run
 * @typedef {import('./soak/server').Sample} Sample
 */

const PACKAGES = { ours: path.join(__dirname, '..'), upstream: '@amplitude/experiment-node-server' };
/** Requests a second: so many that two cores which serve, load and emulate at once are not saturated by either package. */
const RATE = 150;
const WARM_UP_SECONDS = 30;

const at = process.argv.indexOf('--minutes');
const MINUTES = at < 0 ? 10 : Number(process.argv[at + 1]);

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

async function main() {
  install();
  const machine = about();
  const ours = await run(PACKAGES.ours);
  const upstream = await run(PACKAGES.upstream);
  const figures = rows(ours, upstream);
  console.log(
    `\nsoak: ${MINUTES} minutes each, ${RATE} requests a second, two worker processes, Node ${process.version}`,
  );
  for (const cells of figures) console.log(cells.join('  '));
  const list = goals(ours, upstream);
  for (const { goal, met } of list) console.log(`${met ? 'met' : 'MISSED'}: ${goal}`);
  if (process.argv.includes('--record')) record(machine, figures, list);

  console.log('\n> scripts/soak-clients.js');
  const few = MINUTES < 10 ? ['--clients', '500', '--workers', '50'] : [];
  const clients = spawnSync(process.execPath, [path.join(__dirname, 'soak-clients.js'), ...few], {
    stdio: 'inherit',
  });
  process.exit(list.every(({ met }) => met) && clients.status === 0 ? 0 : 1);
}

/**
 * @param {string} name
 * @returns {Promise<Run>}
 */
async function run(name) {
  const seconds = MINUTES * 60;
  const emulator = fork(path.join(__dirname, 'soak', 'world.js'));
  const [url] = await once(emulator, 'message');
  const server = fork(path.join(__dirname, 'soak', 'server.js'), [name, url]);
  server.once('exit', (code) => code && process.exit(1));
  const [port] = await once(server, 'message');
  const target = `http://127.0.0.1:${port}`;

  await load(target, WARM_UP_SECONDS);
  /** @type {Sample[]} */
  const warm = await ask(server, 'collect');
  await ask(server, 'fresh');
  const before = await ask(emulator, 'counted');
  /** @type {number[][]} */
  const memory = warm.map(() => []);
  let isSampling = false;
  const timer = setInterval(async () => {
    if (isSampling) return;
    isSampling = true;
    for (const [index, sample] of (await ask(server, 'sample')).entries()) memory[index].push(sample.memory);
    isSampling = false;
  }, 1000);
  const found = await load(target, seconds);
  clearInterval(timer);
  while (isSampling) await new Promise((resolve) => setImmediate(resolve));
  /** @type {Sample[]} */
  const loaded = await ask(server, 'sample');
  const after = await ask(emulator, 'counted');
  /** @type {Sample[]} */
  const ended = await ask(server, 'end');
  await ask(server, 'collect');
  /** @type {Sample[]} */
  const collected = await ask(server, 'collect');
  const { taken } = await ask(emulator, 'counted');
  server.removeAllListeners('exit');
  server.disconnect();
  emulator.disconnect();
  return {
    seconds,
    load: found,
    memory,
    heap: collected.map(({ heap }, i) => heap - warm[i].heap),
    ended: collected.map(({ memory }) => memory),
    delayP99: loaded.map(({ delayP99 }) => delayP99),
    delayMax: loaded.map(({ delayMax }) => delayMax),
    processor: loaded.reduce((sum, { processor }, i) => sum + processor - warm[i].processor, 0) / 1e6,
    versions: loaded.map(({ versions }, i) => versions - warm[i].versions),
    changes: after.changes - before.changes,
    tracked: ended.reduce((sum, { tracked }) => sum + tracked, 0),
    taken,
    downloads: after.downloads - before.downloads,
  };
}

/**
 * @param {string} url
 * @param {number} seconds
 * @returns {Promise<Run['load']>}
 */
async function load(url, seconds) {
  const args = [path.join(__dirname, 'soak', 'load.js'), url, String(seconds), String(RATE)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout);
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} order
 * @returns {Promise<any>}
 */
async function ask(child, order) {
  child.send(order);
  const [answer] = await once(child, 'message');
  return answer;
}

/**
 * @param {Run} ours
 * @param {Run} upstream
 * @returns {string[][]}
 */
function rows(ours, upstream) {
  const most = (/** @type {number[]} */ values) => Math.max(...values);
  /** @type {[string, (run: Run) => string][]} */
  const lines = [
    ['requests answered', ({ load }) => String(load.ok)],
    ['errors, timeouts, other answers', ({ load }) => [load.errors, load.timeouts, load.non2xx].join(', ')],
    [
      'latency: p50, p90, p99, p99.9, longest (ms)',
      ({ load }) => [load.p50, load.p90, load.p99, load.p99_9, load.max].join(', '),
    ],
    [
      'event-loop delay: p99, longest',
      (run) => [most(run.delayP99), most(run.delayMax)].map(millis).join(', '),
    ],
    ['processor time of both workers', ({ processor }) => `${processor.toFixed(1)} s`],
    ['memory: growth of a worker', (run) => mib(growth(run))],
    ["memory: growth of a worker's heap", ({ heap }) => mib(most(heap))],
    ['memory: slope', ({ memory }) => `${mib(most(memory.map(slope)) * 60)} a minute`],
    [
      'changes of a flag, and seen by each worker',
      ({ changes, versions }) => [changes, ...versions].join(', '),
    ],
    ['cohort downloads', ({ downloads }) => String(downloads)],
    ['exposures: tracked, taken', ({ tracked, taken }) => `${tracked}, ${taken}`],
  ];
  return lines.map(([name, of]) => [name, of(ours), of(upstream)]);
}

/**
 * @param {import('../benches/document/machine').About} machine
 * @param {string[][]} figures
 * @param {{ goal: string, met: boolean }[]} list
 */
function record(machine, figures, list) {
  const { date, commit, processor, cores, system, node, load } = machine;
  const text = `# Soak

Written by \`npm run soak -- --minutes ${MINUTES} --record\` on ${date} at commit ${commit}: ${processor}, ${cores} cores, ${system}, Node ${node}, load average before the run ${load}. Do not edit it by hand.

The Express example ([examples/express/app.js](../examples/express/app.js)) in two worker processes of \`node:cluster\`, ${RATE} requests a second, each of a visitor who has not been
there before, for whom 21 flags are evaluated and whose exposures are tracked. Meanwhile a flag changes every second and is streamed, two cohorts of 10,000 change every second,
and every ten seconds another of them is asked for. First this package, then as long the one that it replaces; server, load and emulator share the machine's cores.

${table(['', 'this package', 'original'], figures)}

The original cannot say when its events have been delivered: those are counted that the server had taken 21 s after the last request.

${list.map(({ goal, met }) => `- ${met ? 'met' : '**missed**'}: ${goal}`).join('\n')}

After that, clients and worker threads come and go: \`npm run soak:clients\`.
`;
  fs.writeFileSync(path.join(__dirname, '..', 'docs', 'soak.md'), text);
}
