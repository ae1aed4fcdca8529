'use strict';

/** What `docs/robustness.md` says of the source holds: no callback lets a panic out, and no release can be told to panic. */

const fs = require('node:fs');
const path = require('node:path');
const test = require('ava');
const native = require('../native/index.js');

const binding = path.join(__dirname, '..', 'src', 'binding');
const files = fs.readdirSync(binding).filter((name) => name.endsWith('.rs'));
const read = (file) => fs.readFileSync(path.join(binding, file), 'utf8');

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
