'use strict';

/**
 * Publishes the packages that `stage.js` lays out, with provenance: those of the platforms first, so that the main package
 * never asks for one that is not there. It fails before it publishes anything where a platform is missing, an
 * installation would be too heavy, or a Linux addon asks for a newer glibc than is promised. What the registry has
 * already is left out, so that a run that broke off can be taken up again. `--dry-run` publishes nothing.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { compare, glibcVersions } = require('./elf');
const { stage } = require('./stage');

const root = path.join(__dirname, '..');

/** What is promised of an installation, that is the main package and one platform's. */
const LIMITS = { files: 40, bytes: 6_000_000, glibc: '2.17' };

/**
 * @param {{ directory: string, name: string }[]} packages the main one first
 * @param {string[]} platforms all that there are to be
 * @returns {string[]} what keeps them from being published
 */
function problems([main, ...others], platforms) {
  const missing = platforms
    .map((platform) => `${main.name}-${platform}`)
    .filter((name) => !others.some((item) => item.name === name));
  return [
    ...missing.map((name) => `${name} is missing`),
    ...others.flatMap((item) => tooHeavy([main, item])),
    ...others.flatMap(tooNew),
  ];
}

/** @param {{ directory: string, name: string }[]} installation */
function tooHeavy(installation) {
  const files = installation.flatMap(({ directory }) =>
    fs
      .readdirSync(directory, { recursive: true })
      .map((name) => fs.statSync(path.join(directory, String(name))))
      .filter((stat) => stat.isFile()),
  );
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const isLight = files.length <= LIMITS.files && bytes <= LIMITS.bytes;
  return isLight ? [] : [`${installation[1].name}: ${files.length} files, ${bytes} bytes`];
}

/** @param {{ directory: string, name: string }} item */
function tooNew({ directory, name }) {
  if (!name.includes('-linux-')) return [];
  const { main } = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
  const newest = glibcVersions(fs.readFileSync(path.join(directory, main))).pop();
  const isFine = newest === undefined || (!name.endsWith('-musl') && compare(newest, LIMITS.glibc) <= 0);
  return isFine ? [] : [`${name} asks for glibc ${newest}`];
}

/**
 * @param {string[]} args of npm
 * @param {string} cwd
 */
function npm(args, cwd) {
  return spawnSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/**
 * Provenance has to name the repository that the workflow runs in.
 * @param {string} directory
 */
function manifestWithRepository(directory) {
  const file = path.join(directory, 'package.json');
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'));
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (server && repository) {
    manifest.repository = { type: 'git', url: `git+${server}/${repository}.git` };
    fs.writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
  }
  return manifest;
}

function publish() {
  const isDry = process.argv.includes('--dry-run');
  const packages = stage();
  const found = problems(packages, fs.readdirSync(path.join(root, 'npm')));
  for (const problem of found) console.error(problem);
  if (found.length > 0) return 1;
  const [main, ...platforms] = packages;
  for (const { directory, name } of [...platforms, main]) {
    const { version } = manifestWithRepository(directory);
    const there = isDry ? undefined : npm(['view', `${name}@${version}`, 'version'], directory);
    if (there && there.status === 0 && there.stdout.trim() === version) {
      console.log(`${name}@${version} is there already`);
      continue;
    }
    const args = isDry ? ['--dry-run'] : ['--provenance'];
    const { status, stdout } = npm(['publish', '--access', 'public', ...args], directory);
    console.log(stdout.trim());
    if (status !== 0) return 1;
  }
  return 0;
}

module.exports = { LIMITS, problems };

if (require.main === module) process.exitCode = publish();
