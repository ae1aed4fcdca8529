'use strict';

/** The package tests with every package manager and bundler: see `__test__/package.spec.js`. */

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');
const { status } = spawnSync('npx', ['ava', '__test__/package.spec.js'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PACKAGE_TESTS: 'all' },
});
process.exitCode = status === 0 ? 0 : 1;
