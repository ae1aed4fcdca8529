'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { stage } = require('../../scripts/stage');

const root = path.join(__dirname, '..', '..');

/** The packages as they are published, laid out once in a process. */
const packages = (() => {
  /** @type {ReturnType<typeof stage>} */
  let found;
  return () => {
    if (found) return found;
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-packages-'));
    process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
    return (found = stage(path.join(directory, 'npm')));
  };
})();

/**
 * An empty application that has this package installed as its users do: what is published, under the name of the package
 * that it replaces. It is gone when the test is over.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string[]} also packages that it has besides
 * @returns {string} its directory
 */
function application(t, also = []) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-application-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
  const modules = path.join(directory, 'node_modules');
  const [main, ...platforms] = packages();
  fs.cpSync(main.directory, path.join(modules, '@amplitude', 'experiment-node-server'), { recursive: true });
  for (const { name, directory: from } of platforms) {
    fs.cpSync(from, path.join(modules, name), { recursive: true });
  }
  for (const name of also) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  return directory;
}

module.exports = { application };
