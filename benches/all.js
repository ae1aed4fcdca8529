'use strict';

/**
 * `npm run bench:all`: every figure that is published, in one run. Runs each bench in a process of its own, then writes
 * `docs/benchmarks.md`, `docs/charts/` and the README's part. `--quick` is a short run, which writes into `build/bench/`
 * instead. `--write` writes again what the last run measured. Exits with 1 where a goal is missed; what was measured is
 * written all the same.
 */

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { charts } = require('./document/charts');
const { benchmarks, summary } = require('./document/document');
const { about } = require('./document/machine');
const { replaced } = require('./document/markdown');

const ROOT = path.join(__dirname, '..');
const BUILD = path.join(ROOT, 'build', 'bench');
/** Its place in the README. */
const PLACE = 'benchmarks';

/** In the order in which they run. Peers come first: they install what later ones use. */
const BENCHES = {
  peers: [],
  evaluate: [],
  events: [],
  sync: [],
  remote: [],
  startup: ['--peers'],
};

const isQuick = process.argv.includes('--quick');

main();

function main() {
  fs.mkdirSync(BUILD, { recursive: true });
  const file = path.join(BUILD, 'results.json');
  if (!process.argv.includes('--write')) {
    fs.writeFileSync(
      file,
      JSON.stringify({ about: { ...about(), run: isQuick ? 'short' : 'full' }, ...measured() }, null, 2),
    );
  }
  /** @type {import('./document/document').Results} */
  const results = JSON.parse(fs.readFileSync(file, 'utf8'));
  write(results, isQuick ? BUILD : path.join(ROOT, 'docs'));
  if (!isQuick) {
    const readme = path.join(ROOT, 'README.md');
    fs.writeFileSync(readme, replaced(fs.readFileSync(readme, 'utf8'), PLACE, summary(results)));
  }
  if (results.missed.length > 0) console.error(`goals were missed by: ${results.missed.join(', ')}`);
  process.exitCode = results.missed.length > 0 ? 1 : 0;
}

/** @returns {any} what each bench measured, by its name, and which have missed a goal */
function measured() {
  /** @type {Record<string, any>} */
  const results = {};
  const missed = [];
  for (const [name, options] of Object.entries(BENCHES)) {
    const file = path.join(BUILD, `${name}.json`);
    console.log(`\n> benches/${name}.js`);
    const begin = Date.now();
    const args = [
      path.join(__dirname, `${name}.js`),
      '--json',
      file,
      ...options,
      ...(isQuick ? ['--quick'] : []),
    ];
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    // Anything but a missed goal leaves no data that could be published.
    if (status !== 0 && status !== 1) throw new Error(`${name} ended with ${status}`);
    if (status === 1) missed.push(name);
    results[name] = JSON.parse(fs.readFileSync(file, 'utf8'));
    console.log(`(${((Date.now() - begin) / 1000).toFixed(0)} s)`);
  }
  return { ...results, missed };
}

/**
 * @param {import('./document/document').Results} results
 * @param {string} directory
 */
function write(results, directory) {
  const specifications = path.join(BUILD, 'charts.json');
  fs.writeFileSync(specifications, JSON.stringify(charts(results)));
  const drawn = spawnSync(
    process.execPath,
    [path.join(__dirname, 'document', 'draw.js'), specifications, path.join(directory, 'charts')],
    { stdio: 'inherit' },
  );
  if (drawn.status !== 0) throw new Error('the charts could not be drawn');
  fs.writeFileSync(path.join(directory, 'benchmarks.md'), benchmarks(results));
  console.log(`\nwritten to ${path.relative(process.cwd(), directory) || '.'}`);
}
