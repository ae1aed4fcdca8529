'use strict';

/**
 * Timing side by side: the contenders take turns in one process, so that a slow moment of the machine meets
 * them all, and medians are compared.
 */

const { stopwatch } = require('./processor');

/** @typedef {{ name: string, run: () => unknown }} Contender */

const ROUNDS = 15;

/**
 * Nanoseconds per call of each contender: the median of rounds that take turns.
 * @param {Contender[]} contenders
 * @param {number} [roundMillis] how long one round of one contender lasts, about
 * @returns {number[]}
 */
function medians(contenders, roundMillis = 40) {
  const counts = contenders.map(({ run }) => calibrate(run, roundMillis));
  const times = contenders.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < ROUNDS; round++) {
    contenders.forEach(({ run }, index) => times[index].push(time(run, counts[index])));
  }
  return times.map(median);
}

/** Calls of each contender before anything is timed: the first may prepare what all others use. */
const WARM_UP = 200;

/**
 * Warms up, and says how many calls fill a round.
 * @param {() => unknown} run
 * @param {number} roundMillis
 */
function calibrate(run, roundMillis) {
  time(run, WARM_UP);
  let count = 1;
  for (;;) {
    const elapsed = time(run, count) * count;
    if (elapsed > roundMillis * 1e6) return Math.max(1, Math.round((count * roundMillis * 1e6) / elapsed));
    count *= 2;
  }
}

let sink = 0;

/**
 * @param {() => unknown} run
 * @param {number} count
 * @returns {number} nanoseconds per call
 */
function time(run, count) {
  const elapsed = stopwatch();
  for (let i = 0; i < count; i++) if (run() === undefined) sink++;
  return elapsed() / count;
}

/** @param {number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/**
 * A number with three significant digits and a unit.
 * @param {number} nanoseconds
 */
function duration(nanoseconds) {
  // Rounded first: 999.9 of a unit is one of the next.
  const rounded = Number(nanoseconds.toPrecision(3));
  const size = Math.abs(rounded);
  if (size < 1e3) return `${rounded.toFixed(0)} ns`;
  if (size < 1e6) return `${(rounded / 1e3).toPrecision(3)} µs`;
  if (size < 1e9) return `${(rounded / 1e6).toPrecision(3)} ms`;
  return `${(rounded / 1e9).toPrecision(3)} s`;
}

/**
 * Prints rows in columns.
 * @param {string[][]} rows the first is the head
 */
function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) console.log(row.map((cell, column) => cell.padStart(widths[column])).join('  '));
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

module.exports = { medians, median, duration, mebibytes, table };
