'use strict';

/** Draws charts: `node draw.js FILE DIRECTORY`. The file holds Vega-Lite specifications by name; each becomes an SVG. */

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');

const [file, directory] = process.argv.slice(2);
const load = createRequire(path.join(__dirname, '..', 'peers', 'package.json'));

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

async function main() {
  // Both are ECMAScript modules only.
  const vega = await import(load.resolve('vega'));
  const { compile } = await import(load.resolve('vega-lite'));
  fs.mkdirSync(directory, { recursive: true });
  for (const [name, chart] of Object.entries(JSON.parse(fs.readFileSync(file, 'utf8')))) {
    const view = new vega.View(vega.parse(compile(chart).spec), { renderer: 'none' });
    fs.writeFileSync(path.join(directory, `${name}.svg`), `${await view.toSVG()}\n`);
  }
}
