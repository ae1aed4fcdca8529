'use strict';

/**
 * Builds the addon for release: `npm run build`, with more arguments for `napi build` after `--`. Cargo optimises across
 * crates (LTO) only where a library is nothing but an addon, while the Rust tests need one that Rust can link. So the
 * addon is built from a copy of the manifest that says `cdylib` alone: a fifth smaller, with a third of the relocations.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const COPY = path.join('build', 'addon');

/** What is different in the copy; paths are seen from where it is. */
const CHANGES = /** @type {[RegExp, string][]} */ ([
  [/^crate-type = \["cdylib", "rlib"\]$/m, 'crate-type = ["cdylib"]\npath = "../../src/lib.rs"'],
  [/^build = "build\.rs"$/m, 'build = "../../build.rs"'],
  // Tests and benchmarks, whose paths would be others too.
  [/^(?:\[\[test\]\]|\[\[bench\]\]|\[dev-dependencies\])\n(?:.+\n)+\n?/gm, ''],
]);

/** @param {string} manifest */
function addonManifest(manifest) {
  return CHANGES.reduce((text, [what, by]) => {
    const changed = text.replace(what, by);
    if (changed === text) throw new Error(`Cargo.toml has nothing like ${what}`);
    return changed;
  }, manifest);
}

/**
 * Writes a file where it is not so already: Cargo goes by the time.
 * @param {string} file
 * @param {string} text
 */
function write(file, text) {
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) return;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}

/** @param {string} name */
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');

function build() {
  write(path.join(root, COPY, 'Cargo.toml'), addonManifest(read('Cargo.toml')));
  write(path.join(root, COPY, 'Cargo.lock'), read('Cargo.lock'));
  const napi = path.join('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js');
  const where = [
    '--manifest-path',
    path.join(COPY, 'Cargo.toml'),
    '--target-dir',
    path.join(root, 'target'),
    '-o',
    'native',
  ];
  const args = [napi, 'build', '--platform', '--release', ...where, ...process.argv.slice(2)];
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status;
}

module.exports = { addonManifest };

if (require.main === module) process.exitCode = build() ?? 1;
