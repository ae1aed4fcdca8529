'use strict';

/**
 * Makes a fresh clone ready: installs the development dependencies and builds the addon, each only where it is
 * missing or out of date. Prints nothing when there is nothing to do.
 */

const { execSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** @param {string} command */
function run(command) {
  console.log(`> ${command}`);
  execSync(command, { cwd: root, stdio: 'inherit' });
}

/**
 * The newest modification below a path, in milliseconds since the epoch; 0 where there is none.
 * @param {string} target
 * @returns {number}
 */
function newest(target) {
  const stat = fs.statSync(target, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...fs.readdirSync(target).map((name) => newest(path.join(target, name))));
}

/** @param {string[]} names */
function newestOf(...names) {
  return Math.max(...names.map((name) => newest(path.join(root, name))));
}

const installed = newestOf('node_modules/.package-lock.json');
if (installed === 0 || installed < newestOf('package-lock.json')) {
  // Not `npm ci`: it wants every optional package of every platform, and not all of those are published.
  run('npm install --no-save --no-audit --no-fund');
}

const addons = fs.existsSync(path.join(root, 'native'))
  ? fs.readdirSync(path.join(root, 'native')).filter((name) => name.endsWith('.node'))
  : [];
const built = Math.max(0, ...addons.map((name) => newestOf(`native/${name}`)));
if (built < newestOf('src', 'Cargo.toml', 'Cargo.lock', 'build.rs')) {
  run('npm run build');
}
