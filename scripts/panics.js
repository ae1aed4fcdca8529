'use strict';

/**
 * Every callback that Node makes into the native part, and all work that runs by itself, panics once. It must become an
 * exception, a rejection or a log line with the code `ERR_EXPERIMENT_PANIC`; what is called again must work; and the process
 * must go on.
 *
 *   npm run test:panics
 *
 * That takes an addon which panics where it is told to: one with the feature `inject-panics`, which no release has. It is built
 * in `target/debug` and loaded in place of the one in `native`. The name of a point stands in the source where it is passed; that
 * each has a scenario is a part of the test.
 */

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { addon } = require('./addon');

const library = addon({ args: ['--features', 'inject-panics'], profile: 'debug' });
const { status, signal } = spawnSync(
  process.execPath,
  ['--expose-gc', path.join(__dirname, 'panics', 'run.js')],
  {
    stdio: 'inherit',
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: library, RUST_BACKTRACE: undefined },
  },
);
if (signal) console.error(`WRONG: the process ended by ${signal}`);
process.exitCode = signal ? 1 : (status ?? 1);
