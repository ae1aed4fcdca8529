'use strict';

const { spawn } = require('child_process');
const path = require('path');

/**
 * Runs a program of this repository in a process that ends with the test.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string[]} args what Node gets, paths from the repository's root
 */
function run(t, ...args) {
  return run.in(t, {}, ...args);
}

/**
 * The same in another environment.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {Record<string, string | undefined>} env what is otherwise in it; undefined: not set
 * @param {string[]} args
 */
run.in = (t, env, ...args) => {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  let wake = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      text += piece;
      wake();
    });
  }
  /** Resolves with the exit code and everything printed. */
  const exit = new Promise((resolve) => child.once('close', (code) => resolve({ code, text })));
  /** Resolves with what matches, once it has been printed. */
  const printed = async (pattern) => {
    while (!pattern.test(text)) await new Promise((resolve) => (wake = resolve));
    return pattern.exec(text);
  };
  return { child, exit, printed };
};

module.exports = { run };
