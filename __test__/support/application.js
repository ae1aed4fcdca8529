'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');

/**
 * An empty application that has this package installed as its users do, under the name of the package that it replaces.
 * It is gone when the test is over.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string[]} also packages that it has besides
 * @returns {string} its directory
 */
function application(t, also = []) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-application-'));
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
  const link = (name, target) => {
    const at = path.join(directory, 'node_modules', name);
    fs.mkdirSync(path.dirname(at), { recursive: true });
    fs.symlinkSync(target, at, 'junction');
  };
  link('@amplitude/experiment-node-server', root);
  for (const name of also) link(name, path.join(root, 'node_modules', name));
  return directory;
}

module.exports = { application };
