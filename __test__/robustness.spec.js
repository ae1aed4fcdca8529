'use strict';

/** What `docs/robustness.md` says of the source holds: the list of unsafe blocks, and that no callback lets a panic out. */

const fs = require('node:fs');
const path = require('node:path');
const test = require('ava');
const native = require('../native/index.js');

const binding = path.join(__dirname, '..', 'src', 'binding');
const files = fs.readdirSync(binding).filter((name) => name.endsWith('.rs'));
const read = (file) => fs.readFileSync(path.join(binding, file), 'utf8');
const isComment = (line) => line.trimStart().startsWith('//');

/** How many unsafe blocks there are, by file and function. */
function unsafeBlocks() {
  const counts = new Map();
  for (const file of files) {
    let place = '';
    for (const line of read(file).split('\n')) {
      if (isComment(line)) continue;
      const [, named] = /\bfn (\w+)/.exec(line) || /\bunsafe (impl \w+)/.exec(line) || [];
      place = named || place;
      const blocks = line.match(/\bunsafe (?:\{|impl\b)/g) || [];
      const name = `${file} ${place}`;
      if (blocks.length > 0) counts.set(name, (counts.get(name) || 0) + blocks.length);
    }
  }
  return counts;
}

test('every unsafe block is listed with what it rests on', (t) => {
  const document = fs.readFileSync(path.join(__dirname, '..', 'docs', 'robustness.md'), 'utf8');
  const listed = [...document.matchAll(/^\| `(\w+\.rs)` `([\w ]+)`\s*\| (\d+)\s*\| (.+) \|$/gm)];
  const found = Object.fromEntries(unsafeBlocks());
  t.true(Object.keys(found).length > 20);
  t.deepEqual(
    Object.fromEntries(listed.map(([, file, place, count]) => [`${file} ${place}`, Number(count)])),
    found,
  );
  for (const [row, , , , invariant] of listed) t.true(invariant.trim().length > 20, row);
});

test('every function that JavaScript can call contains its panics', (t) => {
  let functions = 0;
  for (const file of files) {
    const exported =
      /#\[napi(?:_derive::napi)?\b[^\n]*(?:\n[^\n]*){0,3}?\n\s*pub fn (\w+)[^{]*\{\s*(\S+?)\(/g;
    for (const [, name, first] of read(file).matchAll(exported)) {
      if (['inject_panic', 'invalid_read'].includes(name)) continue;
      functions += 1;
      t.is(first, 'contained', `${file}: ${name}`);
    }
  }
  const count = (object) => Object.keys(Object.getOwnPropertyDescriptors(object)).length;
  const methods = ['LocalClient', 'RemoteClient', 'View'].map((name) => count(native[name].prototype));
  // Constructors stand on the prototypes, and that of views, which Rust makes, is not ours.
  const all = methods.reduce((sum, length) => sum + length, 0) - 1;
  const others = Object.values(native).filter((value) => typeof value === 'function').length - 3;
  t.is(functions, all + others);
});

test('the addon that is released cannot be told to panic', (t) => {
  t.false('injectPanic' in native || 'invalidRead' in native);
  t.true('LocalClient' in native);
});
