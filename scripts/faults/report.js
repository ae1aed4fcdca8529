'use strict';

/** The table of faults for people. In: the results of all cells. Out: text for a terminal, a document. */

const path = require('node:path');
const { ENDPOINTS, PHASES } = require('./table');

/**
 * @typedef {{ fault: { name: string }, endpoint: string, phase: string, state: string, expected: string, millis: number }} Result
 */

/** @param {Result[]} results */
function text(results) {
  return results
    .map(({ fault, endpoint, phase, state, expected, millis }) =>
      [
        state === expected ? 'ok   ' : 'WRONG',
        fault.name.padEnd(33),
        endpoint.padEnd(8),
        phase.padEnd(7),
        `${(millis / 1000).toFixed(1)} s`.padStart(7),
        ` ${state}`,
      ].join(' '),
    )
    .join('\n');
}

/** @type {Record<string, string>} */
const HEADINGS = {
  flags: 'Flags (`/sdk/v2/flags`)',
  vardata: 'Remote evaluation (`/sdk/v2/vardata`)',
  cohort: 'Cohorts (`/sdk/v1/cohort`)',
  stream: 'Stream (`/sdk/stream/v1/flags`)',
  events: 'Events (`/2/httpapi`)',
};

/** @param {Result[]} results */
async function document(results) {
  const parts = [
    '# Faults',
    'Every endpoint meets every fault: when the client starts, in steady state, and when it stops. The end states are stated in ' +
      '`scripts/faults/table.js` and asserted by `npm run test:faults`, which writes this file. In every cell besides: evaluations answer at ' +
      'once, from the old flags or the new ones, nothing is thrown where nobody can catch it, and nothing outlives `stop()`.',
  ];
  for (const endpoint of ENDPOINTS) {
    const own = results.filter((result) => result.endpoint === endpoint);
    const names = [...new Set(own.map(({ fault }) => fault.name))];
    const cell = (/** @type {string} */ name, /** @type {string} */ phase) =>
      (own.find((result) => result.fault.name === name && result.phase === phase) || { state: '' }).state;
    const rows = names.map(
      (name) => `| ${[name, ...PHASES.map((phase) => cell(name, phase))].join(' | ')} |`,
    );
    parts.push(
      `## ${HEADINGS[endpoint]}`,
      ['| Fault | Start | Steady state | Stop |', '| --- | --- | --- | --- |', ...rows].join('\n'),
    );
  }
  const source = `${parts.join('\n\n')}\n`;
  const prettier = await import('prettier');
  const options = await prettier.resolveConfig(path.join(__dirname, '..', '..', 'docs', 'faults.md'));
  return prettier.format(source, { ...options, parser: 'markdown' });
}

module.exports = { document, text };
