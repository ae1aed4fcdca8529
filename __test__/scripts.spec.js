'use strict';

/** How the sources become what is published: one JavaScript file, and an addon that is nothing but an addon. */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('ava');
const { addonManifest } = require('../scripts/build');
const { compare } = require('../scripts/elf');
const { asEsModule, writeEsModules } = require('../scripts/one-scope');

const ROOT = path.join(__dirname, '..');
const LIB = path.join(ROOT, 'lib');

test('modules are read as ES modules: names, namespaces, values, and what is required inside functions', (t) => {
  const resolve = (name) => path.join(LIB, `${name}.js`);
  const become = (source) => asEsModule(source, resolve);
  t.is(become("const { a, b: c } = require('./config');"), "import { a, b as c } from './config';");
  t.is(become("const config = require('./config');"), "import * as config from './config';");
  t.is(become("const native = require('./native');"), "import native from './native';");
  t.is(become("const { a } = require('timers');"), "import { a } from 'timers';");
  t.is(become('module.exports = { a, b: c };'), 'export { a, c as b };');
  t.is(become('module.exports = load();'), 'export default load();');
  const inside = "function f() {\n  return require('https');\n}";
  t.is(become(inside), inside);
});

test('a module that exports or requires in another way is not published', (t) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'modules-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true }));
  const from = path.join(directory, 'from');
  const to = path.join(directory, 'to');
  fs.mkdirSync(from);
  for (const source of ['exports.a = 1;', "if (a) require('./b');", 'module.exports.a = 1;']) {
    fs.writeFileSync(path.join(from, 'a.js'), source);
    t.throws(() => writeEsModules(from, to, {}), { message: /a\.js exports or requires in a way/ }, source);
  }
  fs.writeFileSync(path.join(from, 'a.js'), "f(() => require('./b'));");
  writeEsModules(from, to, { './b': './c' });
  t.is(fs.readFileSync(path.join(to, 'a.js'), 'utf8'), "f(() => require('./c'));");
});

test('the addon is built from the manifest, as a library of one kind', (t) => {
  const manifest = fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8');
  const addon = addonManifest(manifest);
  t.regex(addon, /^crate-type = \["cdylib"\]$/m);
  const sections = (text) => text.match(/^\[[^[\]]+\]$/gm);
  t.deepEqual(
    sections(addon),
    sections(manifest).filter((name) => name !== '[dev-dependencies]'),
  );
  const before = (text) => text.slice(0, text.indexOf('[dev-dependencies]')).split('\n');
  const rest = addon.split('\n');
  t.deepEqual(
    before(manifest).filter((line) => !rest.includes(line)),
    ['build = "build.rs"', 'crate-type = ["cdylib", "rlib"]'],
  );
  t.throws(() => addonManifest(manifest.replace('"rlib"', '"lib"')), { message: /nothing like/ });
});

test('versions of glibc are compared as numbers', (t) => {
  t.deepEqual(['2.34', '2.2.5', '2.17', '2.9', '2.2'].sort(compare), ['2.2', '2.2.5', '2.9', '2.17', '2.34']);
});
