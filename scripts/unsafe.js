'use strict';

/**
 * Every unsafe block of the binding with what makes it sound, as the source says it: `node scripts/unsafe.js` writes
 * `docs/unsafe.md`, and a test holds the two together.
 */

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const SOURCE = path.join(root, 'src', 'binding');
const DOCUMENT = path.join(root, 'docs', 'unsafe.md');

const FUNCTION = /^\s*(?:pub(?:\([\w ]+\))? )?(?:async )?(?:unsafe )?(?:extern "C" )?fn (\w+)/;
const BLOCK = /\bunsafe (?:\{|impl\b)/;
const REASON = '// SAFETY:';

/**
 * The reason that stands above a line: the last comment that begins so, in the few lines before.
 * @param {string[]} lines
 * @param {number} at
 */
function reasonAbove(lines, at) {
  for (let i = at; i >= Math.max(0, at - 8); i--) {
    if (!lines[i].trim().startsWith(REASON)) continue;
    const parts = [lines[i].trim().slice(REASON.length).trim()];
    for (let j = i + 1; lines[j].trim().startsWith('//'); j++) parts.push(lines[j].trim().slice(2).trim());
    return parts.join(' ');
  }
  return undefined;
}

/** @returns {{ file: string, where: string, reason: string | undefined }[]} in the order of the source */
function blocks() {
  return fs
    .readdirSync(SOURCE)
    .filter((name) => name.endsWith('.rs'))
    .sort()
    .flatMap((file) => {
      const lines = fs.readFileSync(path.join(SOURCE, file), 'utf8').split('\n');
      let where = '';
      return lines.flatMap((line, at) => {
        const found = FUNCTION.exec(line);
        if (found) where = found[1];
        if (line.trim().startsWith('//') || !BLOCK.test(line)) return [];
        const name = /unsafe (impl .*?) \{/.exec(line);
        return [{ file, where: name ? name[1] : where, reason: reasonAbove(lines, at) }];
      });
    });
}

function document() {
  const rows = blocks().map(({ file, where, reason }) => `| \`${file}\` | \`${where}\` | ${reason} |`);
  return [
    '# Unsafe code',
    '',
    'All of it is in the binding to Node-API (`src/binding`); a test keeps it there. This is every block with what makes it sound, as the source says it.',
    'Written by `node scripts/unsafe.js`; a test holds it to the source. `npm run test:memory` runs the binding under valgrind.',
    '',
    '| File | Where | What makes it sound |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

module.exports = { DOCUMENT, blocks, document };

if (require.main === module) fs.writeFileSync(DOCUMENT, document());
