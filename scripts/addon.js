'use strict';

/** Builds an addon of another kind than the released one: for tests, which load it by `NAPI_RS_NATIVE_LIBRARY_PATH`. */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/**
 * @param {object} kind
 * @param {string[]} kind.args of `cargo build`
 * @param {string} kind.profile the directory that the profile has below `target`
 * @param {string} [kind.target] the triple, where one is named
 * @param {NodeJS.ProcessEnv} [kind.env] besides the process's own
 * @returns {string} the addon's path
 */
function addon({ args, profile, target, env }) {
  const all = ['build', '--lib', ...(target ? ['--target', target] : []), ...args];
  console.log(`> cargo ${all.join(' ')}`);
  const { status } = spawnSync('cargo', all, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the addon could not be built');
  const directory = path.join(root, 'target', target || '', profile);
  const built = [
    'libexperiment_node_server.so',
    'libexperiment_node_server.dylib',
    'experiment_node_server.dll',
  ]
    .map((name) => path.join(directory, name))
    .find((file) => fs.existsSync(file));
  if (!built) throw new Error(`no addon in ${directory}`);
  const library = path.join(directory, 'experiment-node-server.test.node');
  fs.copyFileSync(built, library);
  return library;
}

module.exports = { addon };
