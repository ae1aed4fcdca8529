'use strict';

/** The workflows of the repository say what the package says: no platform is forgotten, nothing is published untested. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('ava');
const yaml = require('js-yaml');
const { LIMITS, problems } = require('../scripts/publish');

const ROOT = path.join(__dirname, '..');
const DIRECTORY = path.join(ROOT, '.github', 'workflows');
const manifest = require('../package.json');

/** @type {Record<string, any>} */
const workflows = Object.fromEntries(
  fs
    .readdirSync(DIRECTORY)
    .map((name) => [name, yaml.load(fs.readFileSync(path.join(DIRECTORY, name), 'utf8'))]),
);
const { jobs } = workflows['release.yml'];
const targetsOf = ({ strategy: { matrix } }) => matrix.include.map(({ target }) => target);
const stepsOf = (job) => job.steps.map(({ run, uses }) => run || uses);

/** The jobs that have to have succeeded before one begins. */
function before(name) {
  const needs = [jobs[name].needs || []].flat();
  return new Set(needs.flatMap((needed) => [needed, ...before(needed)]));
}

test('every platform of the package is built, and has a package of its own', (t) => {
  const { targets } = manifest.napi;
  t.is(targets.length, 8);
  t.deepEqual(targetsOf(jobs.build).sort(), [...targets].sort());
  t.is(fs.readdirSync(path.join(ROOT, 'npm')).length, targets.length);
  t.true(stepsOf(jobs.build).some((step) => step.startsWith('npm run build -- ')));
});

test('every platform is run before it is published, with the oldest glibc too', (t) => {
  const { include, target, node } = jobs.test.strategy.matrix;
  t.deepEqual(include.map((item) => item.target).sort(), [...target].sort());
  t.true(node.length > 1 && include.every(({ host }) => host));
  const run = new Set([...target, ...targetsOf(jobs['test-images'])]);
  t.deepEqual([...run].sort(), [...manifest.napi.targets].sort());
  for (const job of [jobs.test, jobs['test-images']]) {
    t.true(stepsOf(job).some((step) => step.includes('node scripts/matrix/here.cjs build/npm')));
  }
  const gnu = jobs.build.strategy.matrix.include.filter(({ target: name }) => name.endsWith('linux-gnu'));
  t.deepEqual(
    gnu.map(({ suffix, zig }) => [suffix, zig]),
    gnu.map(() => [`.${LIMITS.glibc}`, '-x']),
  );
});

test('publishing comes last, for tags alone, with the one permission that provenance needs', (t) => {
  t.deepEqual([...before('publish')].sort(), ['build', 'pack', 'test', 'test-images']);
  t.is(jobs.publish.if, "startsWith(github.ref, 'refs/tags/v')");
  t.deepEqual(jobs.publish.permissions, { contents: 'read', 'id-token': 'write' });
  t.true(stepsOf(jobs.publish).includes('node scripts/publish.js'));
  t.regex(fs.readFileSync(path.join(ROOT, 'scripts', 'publish.js'), 'utf8'), /'--provenance'/);
  for (const [name, { permissions }] of Object.entries(workflows)) {
    t.deepEqual(permissions, { contents: 'read' }, name);
  }
});

test('changes are checked by what a developer runs', (t) => {
  const { on, jobs: checks } = workflows['ci.yml'];
  t.deepEqual(Object.keys(on).sort(), ['pull_request', 'push']);
  t.is(stepsOf(checks.check).pop(), 'bash .ci/run');
  const script = fs.readFileSync(path.join(ROOT, '.ci', 'run'), 'utf8');
  for (const command of ['npm run lint', 'npm test']) t.true(script.split('\n').includes(command));
});

test('what workflows run and use is there, in a version', (t) => {
  for (const [name, workflow] of Object.entries(workflows)) {
    for (const step of Object.values(workflow.jobs).flatMap(stepsOf)) {
      for (const [file] of step.matchAll(/scripts\/[\w/.]+\.c?js|\.ci\/run/g)) {
        t.true(fs.existsSync(path.join(ROOT, file)), `${name}: ${file}`);
      }
      if (/^[\w-]+\/[\w-]+(@|$)/.test(step)) t.regex(step, /@(v\d+|stable)$/, name);
    }
  }
});

test('a release without a platform, too heavy, or for too new a glibc is not published', (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'release-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true }));
  const lay = (name, main, bytes) => {
    const at = path.join(directory, name);
    fs.mkdirSync(at, { recursive: true });
    fs.writeFileSync(path.join(at, 'package.json'), JSON.stringify({ main }));
    fs.writeFileSync(path.join(at, main), bytes);
    return { directory: at, name };
  };
  const main = lay('x', 'index.js', '');
  const mac = lay('x-darwin-x64', 'x.node', '');
  t.deepEqual(problems([main, mac], ['darwin-x64']), []);
  t.deepEqual(problems([main, mac], ['darwin-x64', 'win32-x64-msvc']), ['x-win32-x64-msvc is missing']);
  const heavy = lay('x-win32-x64-msvc', 'x.node', Buffer.alloc(LIMITS.bytes));
  t.regex(problems([main, heavy], []).join(), /^x-win32-x64-msvc: 4 files, 60000\d\d bytes$/);
  // Node itself needs more than the oldest glibc, where it is linked with one.
  if (process.platform === 'linux') {
    const node = fs.readFileSync(process.execPath);
    const linked = problems([main, lay('x-linux-x64-gnu', 'x.node', node)], []);
    t.regex(linked.join('\n'), /^x-linux-x64-gnu asks for glibc \d/m);
  }
});
