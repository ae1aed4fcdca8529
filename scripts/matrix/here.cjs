'use strict';

/**
 * The smoke suite on the machine, and the runtime, that runs this, with nothing but the packages as they are published:
 * `node scripts/matrix/here.cjs build/npm`. The workflow that publishes runs it on every platform.
 */

const fs = require('fs');
const os = require('os');
const path = require('path');
const { smoke } = require('./run-smoke.cjs');

const packages = path.resolve(process.argv[2]);
const NAME = 'experiment-node-server-rs';

/**
 * As a package manager puts them: beside each other, below an application.
 * @param {string} directory
 */
function install(directory) {
  for (const name of fs.readdirSync(packages)) copy(path.join(packages, name), path.join(directory, name));
  return path.join(directory, NAME);
}

/**
 * @param {string} from
 * @param {string} to
 */
function copy(from, to) {
  if (!fs.statSync(from).isDirectory()) return fs.copyFileSync(from, to);
  fs.mkdirSync(to, { recursive: true });
  for (const name of fs.readdirSync(from)) copy(path.join(from, name), path.join(to, name));
}

(async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'experiment-'));
  try {
    const library = install(path.join(directory, 'node_modules'));
    const { Emulator } = require(path.join(library, 'emulator'));
    const { failures, events } = await smoke(Emulator, process.execPath, [], library);
    failures.forEach((why, part) => console.error(`${part}: ${why}`));
    console.log(`${process.platform} ${process.arch}, Node ${process.version}: ${events} events`);
    process.exitCode = failures.size > 0 ? 1 : 0;
  } finally {
    // What the system has loaded cannot be removed everywhere.
    if (process.platform !== 'win32') fs.rmSync(directory, { recursive: true, force: true });
  }
})();
