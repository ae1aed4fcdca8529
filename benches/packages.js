'use strict';

/** Packages as they are installed: where they are, which version, and how many bytes they bring with all they depend on. */

const fs = require('node:fs');
const path = require('node:path');

/**
 * The directory of a package as code in another directory finds it; undefined where it does not.
 * @param {string} name
 * @param {string} from
 * @returns {string | undefined}
 */
function directoryOf(name, from) {
  const directory = path.join(from, 'node_modules', name);
  if (fs.existsSync(path.join(directory, 'package.json'))) return fs.realpathSync(directory);
  const above = path.dirname(from);
  return above === from ? undefined : directoryOf(name, above);
}

/** @param {string} directory */
function manifestOf(directory) {
  return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
}

/**
 * What a package comes with: itself, and what it depends on, optionally or as a peer too, where that is installed.
 * @param {string} directory
 * @param {Set<string>} [found]
 * @returns {Set<string>} directories
 */
function closureOf(directory, found = new Set()) {
  if (found.has(directory)) return found;
  found.add(directory);
  const { dependencies, optionalDependencies, peerDependencies } = manifestOf(directory);
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    const next = directoryOf(name, directory);
    if (next) closureOf(next, found);
  }
  return found;
}

/**
 * @param {string} directory
 * @returns {{ packages: number, files: number, bytes: number }}
 */
function installed(directory) {
  const directories = [...closureOf(directory)];
  const files = directories.flatMap(filesOf);
  const bytes = files.reduce((sum, file) => sum + fs.statSync(file).size, 0);
  return { packages: directories.length, files: files.length, bytes };
}

/**
 * The files of one package, without those of packages inside it.
 * @param {string} directory
 * @returns {string[]}
 */
function filesOf(directory) {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const target = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(target);
    return entry.isFile() ? [target] : [];
  });
}

module.exports = { directoryOf, manifestOf, installed };
