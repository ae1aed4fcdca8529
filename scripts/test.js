'use strict';

/** Everything that `npm test` runs: the core without and with its layers, the JavaScript specs, the types. */

const { runAll } = require('./run-all');

let passed = 0;
let failed = 0;

/** @param {string} line */
function count(line) {
  const rust = /^test result: \w+\. (\d+) passed; (\d+) failed/.exec(line);
  if (rust) {
    passed += Number(rust[1]);
    failed += Number(rust[2]);
  }
  const ava = /^\s*(\d+) tests? (passed|failed)/.exec(line);
  if (ava && ava[2] === 'passed') passed += Number(ava[1]);
  if (ava && ava[2] === 'failed') failed += Number(ava[1]);
}

(async () => {
  const broken = await runAll(
    [
      'cargo test --quiet --no-default-features',
      'cargo test --quiet --no-default-features --features http',
      'ava',
      'tsc -p __test__/types',
    ],
    count,
  );
  console.log(`\n${passed} passed, ${failed + (failed === 0 ? broken.length : 0)} failed`);
  process.exitCode = broken.length > 0 ? 1 : 0;
})();
