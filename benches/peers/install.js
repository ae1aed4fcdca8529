'use strict';

const { execSync } = require('node:child_process');

/** Installs what is in this directory's `package.json`, where it is not there as the lock file says. */
function install() {
  try {
    execSync('npm ls --all', { cwd: __dirname, stdio: 'ignore' });
  } catch {
    execSync('npm ci --no-audit --no-fund', { cwd: __dirname, stdio: 'inherit' });
  }
}

module.exports = { install };
