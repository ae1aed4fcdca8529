'use strict';

/**
 * Runs the smoke suite in a process of some runtime, and says what failed. Written for the oldest runtime of the matrix,
 * which runs it where packages are tested on the machines that they are for: `here.cjs`.
 */

const { execFile } = require('child_process');
const path = require('path');
const { promisify } = require('util');

const run = promisify(execFile);

const SMOKE = path.join(__dirname, 'smoke.cjs');
const PARTS = ['load', 'evaluate', 'poll', 'stream', 'fetch', 'track', 'stop'];
/** A whole run, with parts that fail slowly. */
const TIMEOUT_MILLIS = 150000;

const FLAG = {
  key: 'smoke',
  variants: { on: { key: 'on', value: 'on' } },
  segments: [{ variant: 'on' }],
};

/**
 * @param {any} Emulator
 * @param {string} binary
 * @param {string[]} args
 * @param {string} library
 * @returns {Promise<{ failures: Map<string, string>, events: number }>} why parts failed, and how many events came
 */
async function smoke(Emulator, binary, args, library) {
  const emulator = await Emulator.start({ flags: [FLAG] });
  try {
    const addresses = { serverUrl: emulator.url, streamServerUrl: emulator.url };
    /** @type {Map<string, string>} */
    const failures = new Map();
    let output = '';
    let end = 'the process ended before';
    try {
      ({ stdout: output } = await run(binary, [...args, SMOKE, library, JSON.stringify(addresses)], {
        timeout: TIMEOUT_MILLIS,
      }));
    } catch (error) {
      const { stdout, killed, signal, stderr } = /** @type {any} */ (error);
      output = stdout || '';
      end = killed ? 'the process does not end' : `the process ended: ${signal || firstLine(stderr)}`;
    }
    const seen = new Map(lines(output).map((line) => [line.part, line]));
    for (const part of PARTS) {
      const line = seen.get(part);
      if (!line) failures.set(part, end);
      else if (!line.ok) failures.set(part, line.message);
    }
    if (seen.size === PARTS.length && end !== 'the process ended before') failures.set('stop', end);
    const events = emulator.events().length + emulator.events('batch').length;
    if (!failures.has('track') && events === 0) failures.set('track', 'no event has arrived');
    return { failures, events };
  } finally {
    await emulator.close();
  }
}

/** @param {string} output */
function lines(output) {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/** @param {string} text */
function firstLine(text) {
  return (
    String(text)
      .split('\n')
      .find((line) => /error|not found|symbol/i.test(line)) || 'failed'
  );
}

module.exports = { TIMEOUT_MILLIS, smoke };
