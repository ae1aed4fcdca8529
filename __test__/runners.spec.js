'use strict';

/**
 * The suite of a small application under the runners that people use. Each runs in a process of its own, which has to end
 * by itself.
 */

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('ava');
const { application } = require('./support/application');

const RUNNERS = path.join(__dirname, 'runners');
const PACKAGES = path.join(__dirname, '..', 'node_modules');
const LIMIT_MILLIS = 110_000;

const bin = (...file) => [process.execPath, path.join(PACKAGES, ...file)];
const JEST = bin('jest', 'bin', 'jest.js');
const VITEST = [...bin('vitest', 'vitest.mjs'), 'run'];
const AVA = bin('ava', 'entrypoints', 'cli.mjs');

/** What each runner is told, the file that it runs (twice, as two files), and what it must print. */
const RUNS = {
  'ava in worker threads': [[...AVA], 'ava.test.js', /tests passed/],
  'ava in child processes': [[...AVA, '--no-worker-threads'], 'ava.test.js', /tests passed/],
  'node:test': [[process.execPath, '--test'], 'node.test.js', /^# fail 0$/m],
  'jest in one process, looking for open handles': [
    [...JEST, '--detectOpenHandles', '--runInBand'],
    'jest.test.js',
    /Test Suites: 2 passed, 2 total/,
  ],
  'jest in child processes': [[...JEST, '--maxWorkers=2'], 'jest.test.js', /Test Suites: 2 passed, 2 total/],
  'jest in worker threads': [
    [...JEST, '--maxWorkers=2', '--workerThreads'],
    'jest.test.js',
    /Test Suites: 2 passed, 2 total/,
  ],
  'vitest in child processes': [[...VITEST, '--pool=forks'], 'vitest.test.mjs', /Test Files +2 passed \(2\)/],
  'vitest in threads': [[...VITEST, '--pool=threads'], 'vitest.test.mjs', /Test Files +2 passed \(2\)/],
  'vitest in one thread, file after file': [
    [...VITEST, '--pool=threads', '--poolOptions.threads.singleThread'],
    'vitest.test.mjs',
    /Test Files +2 passed \(2\)/,
  ],
  'vitest in contexts of one process': [
    [...VITEST, '--pool=vmForks', '--poolOptions.vmForks.singleFork'],
    'vitest.test.mjs',
    /Test Files +2 passed \(2\)/,
    { SHOP_IN_CONTEXTS: 'yes' },
  ],
};

const COMPLAINTS = /open handle|did not exit|failed to exit|close timed out|unhandled|force exit/i;

for (const [name, [command, file, expected, variables]] of Object.entries(RUNS)) {
  test.serial(`the shop's suite passes under ${name}, and the process ends`, async (t) => {
    t.timeout(LIMIT_MILLIS + 10_000);
    const directory = application(t, ['ava', 'vitest']);
    for (const item of fs.readdirSync(RUNNERS)) {
      if (!/\.test\.m?js$/.test(item)) fs.copyFileSync(path.join(RUNNERS, item), path.join(directory, item));
    }
    const again = file.replace('.test.', '-again.test.');
    for (const copy of [file, again]) fs.copyFileSync(path.join(RUNNERS, file), path.join(directory, copy));
    fs.writeFileSync(path.join(directory, 'package.json'), JSON.stringify(APPLICATION));
    const { code, text } = await run([...command, file, again], directory, variables);
    t.is(code, 0, text);
    t.regex(text, expected);
    t.notRegex(text, COMPLAINTS);
  });
}

const APPLICATION = { name: 'shop', jest: { testMatch: ['**/*.test.js'] }, ava: { timeout: '60s' } };

/** Everything that a command prints, and how it ends: by a signal, where it does not do so in time. */
function run([command, ...args], cwd, variables) {
  return new Promise((resolve) => {
    const env = { ...process.env, CI: 'true', NO_COLOR: '1', FORCE_COLOR: '0', ...variables };
    for (const name of Object.keys(env)) if (/^(AVA|NODE_TEST|VITEST|JEST)/.test(name)) delete env[name];
    const child = spawn(command, args, { cwd, env, timeout: LIMIT_MILLIS, killSignal: 'SIGKILL' });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece));
    child.on('close', (code, signal) => resolve({ code: signal || code, text }));
  });
}
