'use strict';

/**
 * What a soak has to show. In: the figures of this package and of the one that it replaces. Out: each goal, in words with
 * its figures, and whether it is met. Pure.
 *
 * @typedef {object} Run
 * @property {number} seconds
 * @property {{ p50: number, p90: number, p99: number, p99_9: number, max: number, sent: number, ok: number, errors: number,
 *   timeouts: number, non2xx: number }} load latencies in milliseconds
 * @property {number[][]} memory bytes of each worker at each second
 * @property {number[]} heap bytes that each worker's heap has grown by, from when it was warm to the end, both after a
 * garbage collection
 * @property {number[]} ended bytes of each worker at the end, after a garbage collection
 * @property {number[]} delayP99 nanoseconds of each worker's event loop
 * @property {number[]} delayMax
 * @property {number} processor seconds of all workers
 * @property {number[]} versions of the changing flag that each worker has seen
 * @property {number} changes of it
 * @property {number} tracked events
 * @property {number} taken of them, by the server
 * @property {number} downloads of cohorts
 */

const { median } = require('../../benches/measure');

/** What a worker may grow by in any soak, however long, as garbage collected and by the slope of its memory. */
const GROWTH_BYTES = 16 * 2 ** 20;
/** Of the changes of a flag; the first come before anybody asks, and the last as the load ends. */
const SEEN = 0.9;
/** Another cohort is asked for so often. */
const COHORT_SECONDS = 10;

/**
 * @param {Run} ours
 * @param {Run} upstream
 * @returns {{ goal: string, met: boolean }[]}
 */
function goals(ours, upstream) {
  const { errors, timeouts, non2xx, ok } = ours.load;
  const p99 = (/** @type {Run} */ { load }) => load.p99;
  const delay = (/** @type {Run} */ run) => Math.max(...run.delayP99);
  const grown = growth(ours);
  const heap = Math.max(...ours.heap);
  const sloped = Math.max(...ours.memory.map((samples) => slope(samples) * ours.seconds));
  const seen = Math.min(...ours.versions);
  const downloads = Math.floor(SEEN * ours.versions.length * Math.floor(ours.seconds / COHORT_SECONDS));
  return [
    {
      goal: `no error response: ${ok} answered, ${errors} errors, ${timeouts} timeouts, ${non2xx} other answers`,
      met: ok > 0 && errors + timeouts + non2xx === 0,
    },
    {
      goal: `p99 latency is not above the original's: ${p99(ours)} ms, ${p99(upstream)} ms`,
      met: p99(ours) <= p99(upstream),
    },
    {
      goal: `p99 event-loop delay is not above the original's: ${millis(delay(ours))}, ${millis(delay(upstream))}`,
      met: delay(ours) <= delay(upstream),
    },
    {
      goal: `memory is flat: a worker has grown by ${mib(grown)} (at most ${mib(GROWTH_BYTES)})`,
      met: grown <= GROWTH_BYTES,
    },
    {
      goal: `memory is flat: a worker's heap has grown by ${mib(heap)} (at most ${mib(GROWTH_BYTES)})`,
      met: heap <= GROWTH_BYTES,
    },
    {
      goal: `memory is flat: its slope over the run makes ${mib(sloped)} (at most ${mib(GROWTH_BYTES)})`,
      met: sloped <= GROWTH_BYTES,
    },
    {
      goal: `updates arrive: each worker has seen ${seen} of ${ours.changes} changes of a flag (at least ${SEEN * 100} %)`,
      met: ours.changes > 0 && seen >= ours.changes * SEEN,
    },
    {
      goal: `cohorts change: ${ours.downloads} downloads by ${ours.versions.length} workers (at least ${downloads})`,
      met: ours.downloads >= downloads,
    },
    {
      goal: `no exposure is lost: ${ours.tracked} tracked, ${ours.taken} taken`,
      met: ours.tracked > 0 && ours.tracked === ours.taken,
    },
  ];
}

/**
 * What the worker that has grown most has grown by: from the first third of the run, in which pools and caches fill up, to
 * the end.
 * @param {Run} run
 */
function growth({ memory, ended }) {
  return Math.max(...ended.map((bytes, i) => bytes - median(memory[i].slice(0, third(memory[i])))));
}

/** @param {unknown[]} samples */
function third(samples) {
  return Math.max(1, Math.floor(samples.length / 3));
}

/**
 * Of the line that fits the samples best, per sample. The first third is left out, as above.
 * @param {number[]} samples
 */
function slope(samples) {
  const values = samples.slice(third(samples));
  const n = values.length;
  if (n < 2) return 0;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((sum, y) => sum + y, 0) / n;
  let above = 0;
  let below = 0;
  for (const [x, y] of values.entries()) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return above / below;
}

/** @param {number} nanoseconds */
function millis(nanoseconds) {
  return `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

/** @param {number} bytes */
function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

module.exports = { goals, growth, slope, millis, mib };
