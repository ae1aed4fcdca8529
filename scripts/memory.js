'use strict';

/**
 * The binding's tests with every access to memory watched by valgrind: what is read or written that is not the reader's, what is
 * freed twice, decisions on what was never written. Node itself is clean of that, but for what `memory/node.supp` names.
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
const CHECKED = [
  ...[`--error-exitcode=${REPORTED}`, '--leak-check=no', '--num-callers=30', '--trace-children=yes'],
  // Threads that wait for one another would otherwise wait for long.
  '--fair-sched=yes',
  `--suppressions=${path.join(__dirname, 'memory', 'node.supp')}`,
];
/** A run that takes longer has failed. */
const PATIENCE_MILLIS = 30 * 60_000;
const ava = (/** @type {string} */ spec) => [
  path.join('node_modules', 'ava', 'entrypoints', 'cli.mjs'),
  ...['--no-worker-threads', '--serial', '--timeout=20m', `__test__/${spec}.spec.js`],
];
const spool = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-memory-spool-'));
/** What is run, by name. */
const RUNS = {
  calls: ['--expose-gc', 'scripts/memory/calls.js'],
  boundary: ava('boundary'),
  // Clients of all kinds from their beginning to their end, with servers that go wrong.
  lives: [
    '__test__/support/secretive.js',
    spool,
    '{"deployment":"d","api":"a","secret":"s","tracking":"t"}',
    'calmly',
  ],
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
      timeout: PATIENCE_MILLIS,
      maxBuffer: 2 ** 28,
      env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: library, RUST_BACKTRACE: undefined },
    },
  );
  const directory = path.dirname(log);
  const logs = fs.readdirSync(directory).map((name) => fs.readFileSync(path.join(directory, name), 'utf8'));
  fs.rmSync(directory, { recursive: true });
  const errors = logs
    .map((text) => Number((/ERROR SUMMARY: (\d+) errors/.exec(text) || [])[1]))
    .reduce((sum, count) => sum + count, 0);
  const text = `${stdout}\n${stderr}`.slice(-3000);
  return { ended: signal || status, errors, processes: logs.length, text, logs: logs.join('\n') };
}

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
if (spawnSync('valgrind', ['--version']).status !== 0)
  throw new Error('valgrind is not there: this takes it');
const library = addon({ args: ['--features', 'inject-panics'], profile: 'debug' });
let wrong = 0;

/** @param {string} name @param {boolean} isRight @param {string} line @param {string} more */
function tell(name, isRight, line, more) {
  console.log(`${isRight ? 'ok   ' : 'WRONG'} ${name}: ${line}`);
  if (isRight) return;
  wrong += 1;
  console.log(more);
}

const planted = watched(library, ['-e', "require('./native/index.js').invalidRead()"]);
const isReported =
  planted.ended === REPORTED && /Invalid read of size 4\n(?:.*\n){1,4}.*::invalid_read /.test(planted.logs);
tell('planted', isReported, `an invalid read is ${isReported ? 'reported' : 'overlooked'}`, planted.logs);
for (const [name, args] of Object.entries(RUNS)) {
  if (only !== undefined && name !== only) continue;
  const { ended, errors, processes, text, logs } = watched(library, args);
  // A process without a summary has not been watched to its end.
  const isClean = ended === 0 && errors === 0;
  tell(
    name,
    isClean,
    `${errors} errors in ${processes} processes, ended with ${ended}`,
    `${text}\n${logs.slice(0, 20_000)}`,
  );
}
fs.rmSync(spool, { recursive: true });
console.log(`${wrong} wrong`);
process.exitCode = wrong > 0 ? 1 : 0;
