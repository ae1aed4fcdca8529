'use strict';

/**
 * Local evaluation against the packages that people would use instead, through their offline modes. Each has a process of
 * its own, and they take turns. They are given the same rules and the same users, each in its own format, and have to give
 * the same answers before anything is timed. The packages are in `peers/`, with a lock file of their own.
 */

const { fork } = require('node:child_process');
const path = require('node:path');
const { bench } = require('./bench');
const { duration, median, table } = require('./measure');
const { directoryOf, manifestOf } = require('./packages');
const { agreement } = require('./peers/agreement');
const { install } = require('./peers/install');
const { PEERS } = require('./peers/peer');

const CASES = [
  { name: '1 flag', flags: 1 },
  { name: '10 flags', flags: 10 },
  { name: '100 flags', flags: 100 },
  { name: '500 flags', flags: 500 },
  { name: '1 key of 100', flags: 100, key: 'flag-50' },
  { name: '1 key of 500', flags: 500, key: 'flag-250' },
];
const ROUNDS = 15;

/**
 * @typedef {object} Result
 * @property {string[]} cases
 * @property {{ name: string, version: string, allCall: string, oneCall: string, decided: number, shares: number,
 *   nanoseconds: number[] }[]} peers by case
 */

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Result>}
 */
async function measure({ quick }) {
  install();
  /** @type {{ decided: number, shares: number }[]} */
  const agreed = [];
  for (const make of Object.values(PEERS)) agreed.push(await agreement(PEERS.ours(), make()));
  const children = Object.keys(PEERS).map((peer) =>
    fork(path.join(__dirname, 'peers', 'measured.js'), [peer]),
  );
  /** @type {number[][]} */
  const times = children.map(() => []);
  for (const { name: _, ...what } of CASES) {
    for (const child of children) await ask(child, { open: what });
    /** @type {number[][]} */
    const rounds = children.map(() => []);
    for (let round = 0; round < (quick ? 5 : ROUNDS); round++) {
      for (const [index, child] of children.entries()) rounds[index].push(await ask(child, 'turn'));
    }
    rounds.forEach((list, index) => times[index].push(median(list)));
  }
  for (const child of children) child.disconnect();
  const peers = Object.values(PEERS).map((make, index) => {
    const { name, allCall, oneCall } = make();
    return { name, version: versionOf(name), allCall, oneCall, ...agreed[index], nanoseconds: times[index] };
  });
  return { cases: CASES.map(({ name }) => name), peers };
}

/** @param {string} name */
function versionOf(name) {
  if (name === PEERS.ours().name) return require('../package.json').version;
  const directory = directoryOf(name, path.join(__dirname, 'peers'));
  if (!directory) throw new Error(`${name} is not installed`);
  return manifestOf(directory).version;
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {import('./peers/measured').Order} order
 * @returns {Promise<any>}
 */
function ask(child, order) {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error('a peer has failed'));
    child.once('exit', failed);
    child.once('message', (answer) => {
      child.off('exit', failed);
      resolve(answer);
    });
    child.send(order);
  });
}

/** @param {Result} result */
function report({ cases, peers }) {
  console.log(`Local evaluation, each package in its process, medians of turns, Node ${process.version}`);
  table([
    ['', ...cases],
    ...peers.map(({ name, version, nanoseconds }) => [`${name} ${version}`, ...nanoseconds.map(duration)]),
  ]);
  return true;
}

bench(module, { measure, report });
