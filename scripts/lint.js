'use strict';

/** Everything that `npm run lint` checks. Warnings are errors. */

const { runAll } = require('./run-all');

const clippy = (/** @type {string} */ features) =>
  `cargo clippy --quiet --all-targets ${features} -- -D warnings`;

(async () => {
  const broken = await runAll([
    'cargo fmt --check',
    clippy('--no-default-features'),
    clippy('--no-default-features --features sync'),
    clippy('--no-default-features --features http'),
    clippy(''),
    'tsc -p .',
    'prettier --check --log-level warn index.js index.d.ts dist lib emulator examples benches scripts __test__',
  ]);
  process.exitCode = broken.length > 0 ? 1 : 0;
})();
