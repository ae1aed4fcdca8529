'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

/**
 * Starts the program `tracker.js`, which ends with the test.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {object} options what it is told
 * @param {(command: string[]) => string[]} [by] how it is started
 */
function tracker(t, options, by = (command) => command) {
  const [program, ...args] = by([
    process.execPath,
    path.join(__dirname, 'tracker.js'),
    JSON.stringify(options),
  ]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const start = Date.now();
  const printed = { out: '', err: '' };
  child.stdout.on('data', (piece) => (printed.out += piece));
  child.stderr.on('data', (piece) => (printed.err += piece));
  const lines = () => printed.out.split('\n').filter(Boolean);
  /** How it ended, and whom it said to have tracked. */
  const ended = new Promise((resolve) =>
    child.once('close', (code, signal) =>
      resolve({
        code,
        signal,
        millis: Date.now() - start,
        errors: printed.err,
        tracked: lines().map((line) => {
          const [user, at] = line.split(' ');
          return { user, at: Number(at) };
        }),
      }),
    ),
  );
  /** Resolves when it has said a word. */
  const says = async (word) => {
    while (!lines().some((line) => line.startsWith(word)))
      await new Promise((resolve) => child.stdout.once('data', resolve));
  };
  return { child, ended, says };
}

module.exports = { tracker };
