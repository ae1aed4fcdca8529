'use strict';

/**
 * Runs the fuzz targets, one after the other; the first crash of each is shown and kept in `fuzz/artifacts`.
 *
 *   npm run fuzz -- [--seconds 60] [--target plan]
 *
 * What cargo-fuzz does, without cargo-fuzz: its options for the compiler, under a nightly toolchain, or a stable one that is
 * allowed to do what nightly does. New inputs that reach new code go to `fuzz/target/corpus`; the corpus in the repository stays
 * as small as it is.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const fuzz = path.join(__dirname, '..', 'fuzz');
const TARGETS = fs.readdirSync(path.join(fuzz, 'fuzz_targets')).map((file) => path.basename(file, '.rs'));
const FLAGS = [
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
  '--cfg fuzzing',
  '-Ccodegen-units=1',
  '-Zsanitizer=address',
].join(' ');

/**
 * @param {string} name
 * @param {string} otherwise
 */
function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : process.argv[index + 1];
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: fuzz,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (error) console.error(error.message);
  return status === 0 && !signal;
}

/** The host's triple, which sanitizers want to be named. */
function host() {
  const { stdout } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' });
  return /** @type {RegExpExecArray} */ (/^host: (.+)$/m.exec(stdout))[1];
}

const seconds = Number(option('seconds', '60'));
const targets = process.argv.includes('--target') ? [option('target', '')] : TARGETS;
const triple = host();
const built = run(
  'cargo',
  ['build', '--release', '--target', triple, ...targets.flatMap((name) => ['--bin', name])],
  {
    RUSTFLAGS: FLAGS,
    RUSTC_BOOTSTRAP: '1',
  },
);
const failed = built ? [] : ['the build'];
if (built) {
  for (const target of targets) {
    console.log(`\n> ${target}, ${seconds} s`);
    const found = path.join(fuzz, 'target', 'corpus', target);
    const artifacts = path.join(fuzz, 'artifacts', target);
    for (const directory of [found, artifacts]) fs.mkdirSync(directory, { recursive: true });
    const clean = run(path.join(fuzz, 'target', triple, 'release', target), [
      found,
      path.join(fuzz, 'corpus', target),
      `-artifact_prefix=${artifacts}${path.sep}`,
      `-max_total_time=${seconds}`,
      '-max_len=4096',
      '-timeout=10',
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
      '-verbosity=0',
    ]);
    if (!clean) failed.push(target);
  }
}
for (const name of failed) console.error(`FAILED: ${name}`);
console.log(failed.length > 0 ? `${failed.length} failed` : `${targets.length} targets are clean`);
process.exitCode = failed.length > 0 ? 1 : 0;
