'use strict';

/**
 * Has every point panic: `node run.js`; or plays one scenario of `background.js`: `node run.js NAME`. To be run with an addon that
 * has the points: see `../panics.js`.
 */

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const native = /** @type {any} */ (require('../../native/index.js'));
const { SCENARIOS, TOLD, play } = require('./background');
const { CALLS } = require('./calls');
const { points } = require('./points');

const DEFECT = /^a defect in the native part, at src[/\\]defect\.rs:\d+:\d+$/;

const [name] = process.argv.slice(2);
if (name !== undefined) {
  play(name).then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
} else {
  const wrong = [...missing(), ...calls(), ...scenarios()];
  for (const line of wrong) console.error(`WRONG: ${line}`);
  const played = Object.keys(CALLS).length + Object.keys(SCENARIOS).length;
  console.log(`${played} points have panicked, ${wrong.length} wrong`);
  process.exit(wrong.length > 0 ? 1 : 0);
}

/** Points of the source without a scenario, and scenarios without a point. */
function missing() {
  const played = [...Object.keys(CALLS), ...Object.keys(SCENARIOS)].sort();
  const named = points();
  return [
    ...named.filter((point) => !played.includes(point)).map((point) => `${point}: no scenario`),
    ...played.filter((point) => !named.includes(point)).map((point) => `${point}: no such point`),
  ];
}

/** Calls throw once, and work again. */
function calls() {
  return Object.entries(CALLS).flatMap(([point, call]) => {
    try {
      call();
      native.injectPanic(point);
      assert.throws(call, (/** @type {any} */ error) => {
        assert.ok(error instanceof Error);
        assert.equal(/** @type {any} */ (error).code, 'ERR_EXPERIMENT_PANIC');
        assert.match(error.message, DEFECT);
        return true;
      });
      call();
      return [];
    } catch (error) {
      return [`${point}: ${error instanceof Error ? error.message : error}`];
    }
  });
}

/** Each in a process that must not end by itself. */
function scenarios() {
  return Object.keys(SCENARIOS).flatMap((point) => {
    const args = [...process.execArgv, __filename, point];
    const { status, signal, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 120_000,
    });
    if (status !== 0) return [`${point}: ${signal || status}\n${stderr}`];
    const told = stderr.includes('[Experiment] ERR_EXPERIMENT_PANIC: a defect in the native part, at src');
    return told === TOLD.includes(point) ? [] : [`${point}: standard error output: ${stderr || 'nothing'}`];
  });
}
