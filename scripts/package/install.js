'use strict';

/**
 * Installs the packages into an empty application as users do: packed, from a registry, by npm, pnpm or yarn, under
 * the name of the package that they replace.
 */

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { stage } = require('../stage');
const { serve } = require('./registry');

const run = promisify(execFile);

const ROOT = path.join(__dirname, '..', '..');
const WORK = path.join(ROOT, 'build', 'package');
/** The name that applications have in their code. */
const REPLACED = '@amplitude/experiment-node-server';
const TIMEOUT = 180_000;

/** How each package manager installs without the public registry. */
const MANAGERS = {
  npm: (/** @type {string} */ registry) => ({
    command: 'npm',
    args: ['install', '--no-audit', '--no-fund', '--loglevel=error', '--registry', registry],
  }),
  pnpm: (/** @type {string} */ registry) => ({
    command: onDemand('pnpm', 'bin/pnpm.cjs'),
    args: ['install', '--registry', registry, '--store-dir', path.join(WORK, 'pnpm-store')],
  }),
  yarn: (/** @type {string} */ registry) => ({
    command: onDemand('yarn', 'bin/yarn.js'),
    args: [
      'install',
      '--no-lockfile',
      '--registry',
      registry,
      '--cache-folder',
      path.join(WORK, 'yarn-cache'),
    ],
  }),
};
/** Versions of what is fetched for these tests alone. */
const TOOLS = { pnpm: '9.15.9', yarn: '1.22.22' };

/**
 * @param {string} tool
 * @param {string} file
 */
function onDemand(tool, file) {
  return path.join(WORK, 'tools', 'node_modules', tool, file);
}

/** Fetches the tools that are no development dependencies, once. */
async function fetchTools() {
  const directory = path.join(WORK, 'tools');
  fs.mkdirSync(directory, { recursive: true });
  const wanted = Object.entries(TOOLS).filter(([name, version]) => {
    const manifest = path.join(directory, 'node_modules', name, 'package.json');
    return !fs.existsSync(manifest) || JSON.parse(fs.readFileSync(manifest, 'utf8')).version !== version;
  });
  if (wanted.length === 0) return;
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', directory];
  await run('npm', [...args, ...Object.entries(TOOLS).map(([name, version]) => `${name}@${version}`)], {
    timeout: TIMEOUT,
  });
}

/**
 * Packs everything that is published. Of other platforms there is no binary here: theirs are what a package manager
 * sees before it leaves them out.
 * @returns {Promise<{ manifest: any, file: string, files: number, bytes: number, isHere: boolean }[]>} the main package
 * first, then that of this platform
 */
async function pack() {
  const tarballs = path.join(WORK, 'tarballs');
  fs.rmSync(tarballs, { recursive: true, force: true });
  fs.mkdirSync(tarballs, { recursive: true });
  const here = stage();
  const names = new Set(here.map(({ name }) => name));
  const elsewhere = fs
    .readdirSync(path.join(ROOT, 'npm'))
    .map((platform) => path.join(ROOT, 'npm', platform))
    .filter((directory) => !names.has(readManifest(directory).name));
  const packed = [];
  for (const directory of [...here.map(({ directory }) => directory), ...elsewhere]) {
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', tarballs], {
      cwd: directory,
      timeout: TIMEOUT,
    });
    const [{ filename, entryCount, unpackedSize }] = JSON.parse(stdout);
    const manifest = readManifest(directory);
    packed.push({
      manifest,
      file: path.join(tarballs, filename),
      files: entryCount,
      bytes: unpackedSize,
      isHere: names.has(manifest.name),
    });
  }
  return packed;
}

/** @param {string} directory */
function readManifest(directory) {
  return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
}

/**
 * @param {'npm' | 'pnpm' | 'yarn'} manager
 * @param {{ manifest: any, file: string }[]} packages what the registry has
 * @returns {Promise<string>} the application's directory
 */
async function install(manager, packages) {
  const app = path.join(WORK, `app-${manager}`);
  fs.rmSync(app, { recursive: true, force: true });
  fs.cpSync(path.join(__dirname, 'app'), app, { recursive: true });
  const [{ manifest }] = packages;
  const registry = await serve(packages);
  try {
    fs.writeFileSync(
      path.join(app, 'package.json'),
      JSON.stringify({
        name: 'app',
        private: true,
        dependencies: { [REPLACED]: `npm:${manifest.name}@${manifest.version}` },
      }),
    );
    // Nothing of the user's own settings, and no cache that could know these packages from before.
    fs.writeFileSync(path.join(app, '.npmrc'), `registry=${registry.url}\n`);
    const cache = path.join(WORK, `cache-${manager}`);
    fs.rmSync(cache, { recursive: true, force: true });
    const { command, args } = MANAGERS[manager](registry.url);
    const env = { ...process.env, npm_config_cache: cache, npm_config_registry: registry.url, CI: '1' };
    const isScript = command.endsWith('js');
    await run(isScript ? process.execPath : command, isScript ? [command, ...args] : args, {
      cwd: app,
      env,
      timeout: TIMEOUT,
    });
  } finally {
    registry.close();
  }
  return app;
}

module.exports = { WORK, REPLACED, run, pack, install, fetchTools };
