'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');
const { files } = require('../../package.json');

/**
 * An empty application that has this package installed as its users do: its files, under the name of the package that it
 * replaces. It is gone when the test is over.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string[]} also packages that it has besides
 * @returns {string} its directory
 */
function application(t, also = []) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-application-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
  const modules = path.join(directory, 'node_modules');
  const installed = path.join(modules, '@amplitude', 'experiment-node-server');
  const addons = fs.readdirSync(path.join(root, 'native')).filter((name) => name.endsWith('.node'));
  for (const name of ['package.json', ...files, ...addons.map((name) => `native/${name}`)])
    fs.cpSync(path.join(root, name), path.join(installed, name), { recursive: true });
  for (const name of also) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  return directory;
}

module.exports = { application };
