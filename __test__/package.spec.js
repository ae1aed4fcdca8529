'use strict';

/**
 * The packages as they are published, installed into an empty application and run. By npm alone in the whole suite;
 * `npm run test:package` adds the other package managers, which have to be fetched.
 */

const test = require('ava');
const fs = require('node:fs');
const path = require('node:path');
const { glibcVersions, compare } = require('../scripts/elf');
const { WORK, REPLACED, run, pack, install, fetchTools } = require('../scripts/package/install');

const all = process.env.PACKAGE_TESTS === 'all';
/** @type {('npm' | 'pnpm' | 'yarn')[]} */
const MANAGERS = all ? ['npm', 'pnpm', 'yarn'] : ['npm'];
/** What an installation may weigh: the main package and the platform's together. */
const FILES = 40;
const BYTES = 6_000_000;
/** The glibc that a build on a developer's machine may ask for. What is published asks for less: see `release.yml`. */
const GLIBC = '2.34';

/** @type {Awaited<ReturnType<typeof pack>>} */
let packages;
/** @type {Record<string, string>} */
const apps = {};
/** What the application prints with the package that is replaced. */
let expected;

/**
 * @param {string} file
 * @param {string} [cwd]
 */
async function answerOf(file, cwd = path.dirname(file)) {
  const { stdout } = await run(process.execPath, [file], { cwd });
  return JSON.parse(stdout);
}

test.before(async (t) => {
  t.timeout(600_000);
  expected = await answerOf(path.join(__dirname, '../scripts/package/app/index.js'));
  if (all) await fetchTools();
  packages = await pack();
  for (const manager of MANAGERS) apps[manager] = await install(manager, packages);
});

test('an installation has few files and weighs little', (t) => {
  const here = packages.filter(({ isHere }) => isHere);
  t.is(here.length, 2, 'the main package and the one of this platform');
  const files = here.reduce((sum, item) => sum + item.files, 0);
  const bytes = here.reduce((sum, item) => sum + item.bytes, 0);
  t.log(`${files} files, ${(bytes / 1e6).toFixed(2)} MB`);
  t.true(files <= FILES, `${files} files`);
  t.true(bytes <= BYTES, `${bytes} bytes`);
});

test('the main package asks for every platform, and for nothing else', (t) => {
  const { manifest } = packages[0];
  const platforms = fs.readdirSync(path.join(__dirname, '..', 'npm'));
  t.deepEqual(
    manifest.optionalDependencies,
    Object.fromEntries(platforms.map((platform) => [`${manifest.name}-${platform}`, manifest.version])),
  );
  t.is(platforms.length, 8);
  t.is(manifest.dependencies, undefined);
  t.is(manifest.scripts, undefined);
});

for (const manager of MANAGERS) {
  test(`${manager} installs it under the name that it replaces, and both module systems find all of it`, async (t) => {
    const app = apps[manager];
    t.deepEqual(await answerOf(path.join(app, 'index.js')), expected);
    t.deepEqual(await answerOf(path.join(app, 'index.mjs')), expected);
  });
}

test('a TypeScript program compiles against what has been installed', async (t) => {
  const tsc = require.resolve('typescript/bin/tsc');
  const args = [
    '--strict',
    '--noEmit',
    '--module',
    'commonjs',
    '--target',
    'es2020',
    '--skipLibCheck',
    'false',
  ];
  const types = ['--types', 'node', '--typeRoots', path.join(__dirname, '..', 'node_modules', '@types')];
  await t.notThrowsAsync(run(process.execPath, [tsc, ...args, ...types, 'types.ts'], { cwd: apps.npm }));
});

test('what is installed brings no JavaScript of others', async (t) => {
  const { stdout } = await run('npm', ['ls', '--omit=dev', '--all', '--json'], { cwd: apps.npm });
  const { dependencies } = JSON.parse(stdout);
  t.deepEqual(Object.keys(dependencies), [REPLACED]);
  const [main, platform] = packages.map(({ manifest }) => manifest);
  const below = dependencies[REPLACED].dependencies;
  t.deepEqual(
    Object.keys(below).filter((name) => below[name].version),
    [platform.name],
  );
  t.is(below[platform.name].dependencies, undefined);
  t.is(platform.main.endsWith('.node'), true);
  t.is(dependencies[REPLACED].version, main.version);
});

test("the exports of what is installed have upstream's keys, names and kinds", async (t) => {
  const code = `const all = require('${REPLACED}');
    console.log(JSON.stringify(Object.entries(all).map(([key, value]) => [key, typeof value, value.name])));`;
  const seen = (/** @type {string} */ cwd) => run(process.execPath, ['-e', code], { cwd });
  const [ours, theirs] = await Promise.all([seen(apps.npm), seen(__dirname)]);
  t.is(ours.stdout, theirs.stdout);
  t.true(ours.stdout.includes('LocalEvaluationClient'));
});

(process.platform === 'linux' ? test : test.skip)('the addon runs with the glibc that is promised', (t) => {
  // Skipped elsewhere: other systems have no glibc.
  const { manifest } = packages[1];
  const file = path.join(apps.npm, 'node_modules', manifest.name, manifest.main);
  const newest = glibcVersions(fs.readFileSync(file)).pop();
  t.log(`glibc ${newest}`);
  if (manifest.libc[0] === 'musl') t.is(newest, undefined);
  else t.true(compare(String(newest), GLIBC) <= 0, newest);
});

(process.platform === 'linux' ? test : test.skip)('require starts no threads: clients do', async (t) => {
  // Skipped elsewhere: only Linux tells in a file.
  const code = `const fs = require('fs');
    const threads = () => fs.readdirSync('/proc/self/task').length;
    const counts = [threads()];
    const { Experiment } = require('${REPLACED}');
    counts.push(threads());
    const client = Experiment.initializeLocal('key', { serverUrl: 'http://127.0.0.1:1', logLevel: 0 });
    client.start().catch(() => {});
    counts.push(threads());
    client.stop();
    console.log(JSON.stringify(counts));`;
  const { stdout } = await run(process.execPath, ['-e', code], { cwd: apps.npm });
  const [before, required, started] = JSON.parse(stdout);
  t.is(required, before);
  t.true(started > before);
});

test('without the binary, the error says which package to install, and why it may be missing', async (t) => {
  const app = path.join(WORK, 'app-without-binary');
  fs.rmSync(app, { recursive: true, force: true });
  fs.cpSync(apps.npm, app, { recursive: true });
  fs.rmSync(path.join(app, 'node_modules', packages[1].manifest.name), { recursive: true });
  const code = `try { require('${REPLACED}') } catch (error) { console.log(JSON.stringify([error.code, error.message])) }`;
  const { stdout } = await run(process.execPath, ['-e', code], { cwd: app });
  const [errorCode, message] = JSON.parse(stdout);
  t.is(errorCode, 'ERR_EXPERIMENT_NATIVE_MISSING');
  t.true(message.includes(`Install "${packages[1].manifest.name}"`));
  t.true(message.includes('--omit=optional'));
});

test('esbuild bundles an application with the addon beside it', async (t) => {
  const outdir = path.join(apps.npm, 'esbuild-out');
  await require('esbuild').build({
    entryPoints: [path.join(apps.npm, 'index.js')],
    bundle: true,
    platform: 'node',
    outdir,
    loader: { '.node': 'copy' },
    logLevel: 'silent',
  });
  // Away from node_modules: what it needs is in the directory.
  const alone = path.join(WORK, 'esbuild-alone');
  fs.rmSync(alone, { recursive: true, force: true });
  fs.cpSync(outdir, alone, { recursive: true });
  t.deepEqual(await answerOf(path.join(alone, 'index.js')), expected);
});

test('esbuild leaves the package to node_modules', async (t) => {
  const out = path.join(apps.npm, 'esbuild-external');
  const { outputFiles } = await require('esbuild').build({
    entryPoints: [path.join(apps.npm, 'index.js')],
    bundle: true,
    platform: 'node',
    external: [REPLACED],
    write: false,
  });
  fs.mkdirSync(out);
  fs.writeFileSync(path.join(out, 'index.js'), outputFiles[0].contents);
  t.true(outputFiles[0].contents.length < 10_000, 'the package is not in the bundle');
  t.deepEqual(await answerOf(path.join(out, 'index.js')), expected);
});

test('webpack leaves the package to node_modules', async (t) => {
  const webpack = require('webpack');
  const out = path.join(apps.npm, 'webpack-out');
  const externals = ({ request }, /** @type {any} */ done) =>
    request.startsWith(REPLACED) ? done(null, `commonjs ${request}`) : done();
  const stats = await new Promise((resolve, reject) =>
    webpack(
      {
        mode: 'production',
        target: 'node',
        context: apps.npm,
        entry: './index.js',
        output: { path: out, filename: 'index.js' },
        externals: [externals],
      },
      (/** @type {any} */ error, /** @type {any} */ result) => (error ? reject(error) : resolve(result)),
    ),
  );
  t.false(stats.hasErrors(), stats.toString());
  t.deepEqual(await answerOf(path.join(out, 'index.js')), expected);
});
