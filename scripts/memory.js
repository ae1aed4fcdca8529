'use strict';

/**
 * The binding's tests with every access to memory watched by valgrind: what is read or written that is not the reader's, what is
 * freed twice, decisions on what was never written. Node itself is clean of that, so that there is nothing to be overlooked.
 *
 *   npm run test:memory -- [--only boundary]
 *
 * It begins with an invalid read that is planted in the addon (feature `inject-panics`, which no release has): if that is not
 * reported the rest would say nothing. It takes valgrind (Linux) and some minutes.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { addon } = require('./addon');

const root = path.join(__dirname, '..');
/** What valgrind exits with where it has something to report, and nothing else does. */
const REPORTED = 99;
const CHECKED = ['--error-exitcode=99', '--leak-check=no', '--num-callers=30', '--trace-children=yes'];
const ava = (/** @type {string} */ spec) => [
  path.join('node_modules', 'ava', 'entrypoints', 'cli.mjs'),
  ...['--serial', '--timeout=20m', `__test__/${spec}.spec.js`],
];
/** What is run, by name. Specs that start programs of their own have these watched, too. */
const RUNS = {
  calls: ['scripts/memory/calls.js'],
  panics: ['--expose-gc', 'scripts/memory/panics.js'],
  boundary: ava('boundary'),
  tracking: ['scripts/memory/life.js'],
  face: ['scripts/fuzz-face.js', '--calls', '1500', '--seed', '1'],
};

/**
 * @param {string} library
 * @param {string[]} args of Node
 */
function watched(library, args) {
  const log = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-memory-')), 'log');
  const { status, signal, stdout, stderr } = spawnSync(
    'valgrind',
    [...CHECKED, `--log-file=${log}.%p`, process.execPath, ...args],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: library, RUST_BACKTRACE: undefined },
    },
  );
  const directory = path.dirname(log);
  const logs = fs.readdirSync(directory).map((name) => fs.readFileSync(path.join(directory, name), 'utf8'));
  fs.rmSync(directory, { recursive: true });
  const errors = logs
    .map((text) => Number((/ERROR SUMMARY: (\d+) errors/.exec(text) || [])[1]))
    .reduce((sum, count) => sum + count, 0);
  return { status, signal, errors, processes: logs.length, text: `${stdout}\n${stderr}`, logs: logs.join('\n') };
}
