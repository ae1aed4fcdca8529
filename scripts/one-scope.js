'use strict';

/**
 * Writes our CommonJS modules as ES modules, for `stage.js`: esbuild then puts all of them into one scope, in which every
 * function is parsed once, where modules that are functions of their own are parsed when the file is read and again when
 * they run. It understands the ways in which the modules of `lib/` require and export, and fails on any other.
 */

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

const NAMES = /\{[^{}]*\}/.source;
const REQUIRED = new RegExp(`^const (${NAMES}|\\w+) = require\\('([^']+)'\\);$`, 'gm');
const EXPORTED = new RegExp(`^module\\.exports = (${NAMES});$`, 'm');
const EXPORTED_VALUE = /^module\.exports = (?!\{)/m;
/** Of what is required inside a function, Node's own modules alone stay. */
const LEFT = /^.*(?:\bmodule\.exports\b|\bexports\.\w|\brequire\('\.{1,2}\/).*$/m;

/**
 * @param {string} source of a module
 * @param {(path: string) => string} resolve gives the file of what it requires
 * @returns {string} the same as an ES module
 */
function asEsModule(source, resolve) {
  return source
    .replace(REQUIRED, (_, names, from) => `import ${imported(names, from, resolve)} from '${from}';`)
    .replace(EXPORTED, (_, names) => `export ${names.replace(/(\w+): (\w+)/g, '$2 as $1')};`)
    .replace(EXPORTED_VALUE, 'export default ');
}

/**
 * @param {string} names as they are taken from what is required
 * @param {string} from
 * @param {(path: string) => string} resolve
 */
function imported(names, from, resolve) {
  if (names.startsWith('{')) return names.replace(/: /g, ' as ');
  const isValue = from.startsWith('.') && EXPORTED_VALUE.test(fs.readFileSync(resolve(from), 'utf8'));
  return isValue ? names : `* as ${names}`;
}

/**
 * @param {string} directory whose modules are read
 * @param {string} target where they are written as ES modules
 * @param {Record<string, string>} outside what they require inside a function all the same, and where that is later on
 */
function writeEsModules(directory, target, outside) {
  for (const name of fs.readdirSync(directory, { recursive: true }).map(String)) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(directory, name);
    const source = asEsModule(fs.readFileSync(file, 'utf8'), createRequire(file).resolve);
    const [inside, later] = Object.entries(outside).reduce(
      ([rest, moved], [from, to]) => [
        rest.replace(`require('${from}')`, ''),
        moved.replace(`require('${from}')`, `require('${to}')`),
      ],
      [source, source],
    );
    const left = LEFT.exec(inside);
    if (left) throw new Error(`${file} exports or requires in a way that is not known: ${left[0].trim()}`);
    fs.mkdirSync(path.dirname(path.join(target, name)), { recursive: true });
    fs.writeFileSync(path.join(target, name), later);
  }
}

module.exports = { writeEsModules, asEsModule };
