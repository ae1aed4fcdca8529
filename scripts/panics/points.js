'use strict';

/**
 * The places at which builds for tests can be told to panic, as the source names them: every callback that Node makes, and
 * all work that runs by itself. Out: their names.
 */

const fs = require('node:fs');
const path = require('node:path');

const SOURCE = path.join(__dirname, '..', '..', 'src');

/** How the source names a point. */
const NAMED = [
  /\bcontained\(\s*(?:&?\w+(?:::from_raw\(env\))?),\s*"([^"]+)"/g,
  /\bcontained_finally\(\s*"([^"]+)"/g,
  /\bpoint\(\s*"([^"]+)"/g,
  /\.promise\(\s*env,\s*"([^"]+)"/g,
  /\bconst (?:CALL|END): &'static str = "([^"]+)"/g,
  /impl Parcel for \w+ \{\s*const NAME: &'static str = "([^"]+)"/g,
];

function points() {
  const found = new Set();
  for (const name of fs.readdirSync(SOURCE, { recursive: true })) {
    if (!String(name).endsWith('.rs')) continue;
    const [code] = fs.readFileSync(path.join(SOURCE, String(name)), 'utf8').split('#[cfg(test)]');
    for (const pattern of NAMED) for (const [, point] of code.matchAll(pattern)) found.add(point);
  }
  return [...found].sort();
}

module.exports = { points };
