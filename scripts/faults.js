'use strict';

/**
 * Every endpoint meets every fault, at start, in steady state and at stop; the end state of each cell is stated by the table
 * (`faults/table.js`) and asserted here. The table is printed and kept in `docs/faults.md`.
 *
 *   npm run test:faults -- [--only "gzip bomb"] [--endpoint flags]
 */

const fs = require('node:fs');
const path = require('node:path');
const { TRUSTED } = require('./faults/site');

for (const name of Object.keys(process.env)) if (/^(https?|all)_proxy$/i.test(name)) delete process.env[name];
process.env.NODE_EXTRA_CA_CERTS = TRUSTED;

const { Cell, scenarios } = require('./faults/scenarios');
const { document, text } = require('./faults/report');
const { ENDPOINTS, FAULTS, PHASES, expected } = require('./faults/table');

/** Cells that wait most of their time. */
const AT_ONCE = 24;
/** Cells that move a lot of bytes. */
const HEAVY_AT_ONCE = 2;
/** What the process, emulators included, may take. */
const MAX_MEMORY = 1.5 * 2 ** 30;

/** @param {string} name */
function option(name) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? undefined : process.argv[index + 1];
}

/** @type {string[]} */
const uncaught = [];
process.on('uncaughtException', (error) => void uncaught.push(`uncaught: ${error && error.stack}`));
process.on('unhandledRejection', (error) => void uncaught.push(`unhandled: ${error}`));

/**
 * @param {{ fault: import('./faults/table').Fault, endpoint: import('./faults/table').Endpoint, phase: import('./faults/table').Phase }} cell
 */
async function runCell({ fault, endpoint, phase }) {
  const cell = new Cell();
  const start = Date.now();
  let state;
  try {
    state = await scenarios[endpoint][phase](fault, cell);
  } catch (error) {
    state = `FAILED: ${error instanceof Error ? error.message : error}`;
  }
  await cell.close();
  return {
    fault,
    endpoint,
    phase,
    state,
    expected: expected(fault, endpoint, phase),
    millis: Date.now() - start,
  };
}

/**
 * @template T, R
 * @param {T[]} items
 * @param {number} atOnce
 * @param {(item: T) => Promise<R>} one
 * @returns {Promise<R[]>}
 */
async function concurrently(items, atOnce, one) {
  /** @type {R[]} */
  const results = [];
  let next = 0;
  const line = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await one(items[index]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
  return results;
}

(async () => {
  const start = Date.now();
  const faults = FAULTS.filter(({ name }) => name === (option('only') || name));
  const endpoints = ENDPOINTS.filter((name) => name === (option('endpoint') || name));
  const cells = faults.flatMap((fault) =>
    endpoints.flatMap((endpoint) => PHASES.map((phase) => ({ fault, endpoint, phase }))),
  );
  const heavy = cells.filter(({ fault }) => fault.heavy);
  // Those that take long begin first.
  const light = cells.filter(({ fault }) => !fault.heavy).sort((a, b) => patience(b) - patience(a));
  const results = (
    await Promise.all([concurrently(heavy, HEAVY_AT_ONCE, runCell), concurrently(light, AT_ONCE, runCell)])
  ).flat();
  const memory = process.resourceUsage().maxRSS * 1024;
  console.log(text(results));
  const wrong = results.filter(({ state, expected }) => state !== expected);
  for (const { fault, endpoint, phase, state, expected } of wrong)
    console.error(
      `WRONG: ${fault.name}, ${endpoint}, ${phase}\n  expected: ${expected}\n  was:      ${state}`,
    );
  for (const line of uncaught) console.error(`WRONG: ${line}`);
  const seconds = (Date.now() - start) / 1000;
  console.log(
    `${results.length} cells, ${wrong.length} wrong, ${uncaught.length} uncaught, ${seconds.toFixed(0)} s, ` +
      `at most ${(memory / 2 ** 20).toFixed(0)} MiB`,
  );
  if (memory > MAX_MEMORY) console.error('WRONG: too much memory');
  const isWhole = cells.length === FAULTS.length * ENDPOINTS.length * PHASES.length;
  const failed = wrong.length > 0 || uncaught.length > 0 || memory > MAX_MEMORY;
  if (isWhole && !failed)
    fs.writeFileSync(path.join(__dirname, '..', 'docs', 'faults.md'), await document(results));
  process.exit(failed ? 1 : 0);
})();

/** @param {{ fault: import('./faults/table').Fault }} cell */
function patience({ fault: { failure } }) {
  return failure && ['silence', 'stall', 'drip'].includes(failure.kind) ? 1 : 0;
}
