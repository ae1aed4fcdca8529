'use strict';

/**
 * Runs the fuzz targets, one after the other, and prints what each has come to; the first crash of each is shown and kept in
 * `fuzz/artifacts`.
 *
 *   npm run fuzz -- [--seconds 60] [--target plan] [--keep]
 *
 * It needs cargo-fuzz, which it installs into `.cache/tools` where there is none, and a compiler that knows sanitizers: a
 * nightly toolchain, or a stable one that is allowed to do what nightly does, which `RUSTC_BOOTSTRAP` says.
 *
 * New inputs that reach new code go to `fuzz/target/corpus`. With `--keep` the smallest of those that all coverage needs go to
 * the corpus in the repository, which stays at a few KiB a target.
 */

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const fuzz = path.join(root, 'fuzz');
const tools = path.join(root, '.cache', 'tools');
const TARGETS = fs.readdirSync(path.join(fuzz, 'fuzz_targets')).map((file) => path.basename(file, '.rs'));
/** Of an input, in bytes. */
const MAX_LENGTH = 4096;
/** What the repository keeps of a target's inputs: so many files, of so many bytes together. */
const KEPT_FILES = 40;
const KEPT_BYTES = 6144;
const env = {
  ...process.env,
  PATH: `${path.join(tools, 'bin')}${path.delimiter}${process.env.PATH}`,
  RUSTC_BOOTSTRAP: '1',
};

/**
 * @param {string} name
 * @param {string} otherwise
 */
function option(name, otherwise) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? otherwise : process.argv[index + 1];
}

/** @param {string[]} args of cargo's */
function cargo(...args) {
  return spawnSync('cargo', args, { cwd: root, env, stdio: 'inherit' }).status === 0;
}

/** Whether cargo-fuzz is there, by now. */
function hasCargoFuzz() {
  if (spawnSync('cargo', ['fuzz', '--version'], { cwd: root, env }).status === 0) return true;
  console.log('> cargo-fuzz is not there: it is installed, into .cache/tools');
  return cargo('install', 'cargo-fuzz', '--locked', '--root', tools);
}

/** The host's triple, below which cargo-fuzz has its binaries. */
function host() {
  const { stdout } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' });
  return /** @type {RegExpExecArray} */ (/^host: (.+)$/m.exec(stdout))[1];
}

/**
 * Runs libFuzzer and reads its figures along the way.
 * @param {string} target
 * @param {string[]} directories the first gets what is new
 * @param {string[]} options
 */
function libFuzzer(target, directories, options) {
  // Not by `cargo fuzz run`, which would build anew where a source has changed meanwhile.
  const binary = path.join(fuzz, 'target', host(), 'release', target);
  const artifacts = path.join(fuzz, 'artifacts', target);
  fs.mkdirSync(artifacts, { recursive: true });
  const all = [`-artifact_prefix=${artifacts}${path.sep}`, ...options, ...directories];
  const child = spawn(binary, all, { cwd: root, env, stdio: ['ignore', 'inherit', 'pipe'] });
  const figures = { runs: 0, edges: 0, features: 0, inputs: 0, seconds: 0, tail: '' };
  let rest = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (/** @type {string} */ piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() || '';
    for (const line of lines) {
      const found = /^#(\d+)\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)\//.exec(line);
      if (found) [figures.runs, figures.edges, figures.features, figures.inputs] = found.slice(1).map(Number);
      else figures.tail = `${figures.tail}${line}\n`.slice(-20_000);
      const done = /^Done (\d+) runs in (\d+) second/.exec(line);
      if (done) [figures.runs, figures.seconds] = done.slice(1).map(Number);
    }
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ...figures, clean: false, tail: error.message }));
    child.once('close', (status) => resolve({ ...figures, clean: status === 0 }));
  });
}

/** @param {string} target @param {number} seconds */
async function attack(target, seconds) {
  const found = path.join(fuzz, 'target', 'corpus', target);
  const kept = path.join(fuzz, 'corpus', target);
  fs.mkdirSync(found, { recursive: true });
  const result = await libFuzzer(
    target,
    [found, kept],
    [
      `-max_total_time=${seconds}`,
      `-max_len=${MAX_LENGTH}`,
      '-timeout=10',
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
    ],
  );
  if (!result.clean) console.error(result.tail);
  return result;
}

/** Keeps in the repository the smallest inputs of those that together reach all that is reached. @param {string} target */
async function keep(target) {
  const chosen = fs.mkdtempSync(path.join(os.tmpdir(), 'corpus-'));
  const kept = path.join(fuzz, 'corpus', target);
  await libFuzzer(
    target,
    [chosen, kept, path.join(fuzz, 'target', 'corpus', target)],
    ['-set_cover_merge=1', `-max_len=${MAX_LENGTH}`],
  );
  const inputs = fs
    .readdirSync(chosen)
    .map((name) => ({ name, bytes: fs.statSync(path.join(chosen, name)).size }));
  inputs.sort((a, b) => a.bytes - b.bytes);
  const byHand = fs.readdirSync(kept).filter((name) => !/^[0-9a-f]{40}$/.test(name));
  let bytes = byHand.reduce((sum, name) => sum + fs.statSync(path.join(kept, name)).size, 0);
  for (const name of fs.readdirSync(kept)) if (!byHand.includes(name)) fs.rmSync(path.join(kept, name));
  for (const input of inputs.slice(0, KEPT_FILES)) {
    bytes += input.bytes;
    if (bytes > KEPT_BYTES) break;
    fs.copyFileSync(path.join(chosen, input.name), path.join(kept, input.name));
  }
  fs.rmSync(chosen, { recursive: true });
}

(async () => {
  const seconds = Number(option('seconds', '60'));
  const targets = process.argv.includes('--target') ? [option('target', '')] : TARGETS;
  const ready = hasCargoFuzz() && cargo('fuzz', 'build', ...(targets.length === 1 ? targets : []));
  const failed = ready ? [] : ['the build'];
  const lines = [];
  for (const target of ready ? targets : []) {
    console.log(`\n> ${target}, ${seconds} s`);
    const result = await attack(target, seconds);
    if (!result.clean) failed.push(target);
    if (result.clean && process.argv.includes('--keep')) await keep(target);
    const { runs, edges, features, inputs, clean } = result;
    lines.push(
      `${target}: ${runs} executions, ${edges} edges and ${features} features reached, ${inputs} inputs, ` +
        `${clean ? 'clean' : 'FAILED'}`,
    );
    console.log(lines[lines.length - 1]);
  }
  console.log(`\n${lines.join('\n')}`);
  for (const name of failed) console.error(`FAILED: ${name}`);
  console.log(failed.length > 0 ? `${failed.length} failed` : `${targets.length} targets are clean`);
  process.exitCode = failed.length > 0 ? 1 : 0;
})();
