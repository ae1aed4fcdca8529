'use strict';

/** The tests that the documents name are there: whoever renames one, or takes one away, hears of it here. */

const fs = require('node:fs');
const path = require('node:path');
const test = require('ava');
const unsafe = require('../scripts/unsafe');

const root = path.join(__dirname, '..');
const read = (...file) => fs.readFileSync(path.join(root, ...file), 'utf8');

/** All files below a directory that end so. */
function filesBelow(directory, ending) {
  return fs
    .readdirSync(path.join(root, directory), { recursive: true })
    .map((name) => path.join(directory, String(name)))
    .filter((name) => name.endsWith(ending));
}

const TITLE =
  /\btest(?:\.\w+)*\(\s*(?:title\(\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
const RUST_TEST = /#\[(?:tokio::)?test[^\]]*\](?:\s*#\[[^\]]*\])*\s*(?:async )?fn (\w+)/g;

/** What in a title is computed: a document has it as it comes out, in words that the file has, or as `…`. */
const COMPUTED = /\$\{(?:[^{}]|\{[^}]*\})*\}/;
const ANYTHING = '…';

/**
 * @param {string} title as it stands in the source
 * @param {string} source of its file
 * @returns {(named: string) => boolean} whether a document means this test
 */
function meaning(title, source) {
  const literal = (text) => text.replace(/\\(.)/g, '$1').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^${title.split(COMPUTED).map(literal).join('(.*)')}$`, 's');
  return (named) => {
    const found = pattern.exec(named);
    return found !== null && found.slice(1).every((part) => part === ANYTHING || source.includes(part));
  };
}

/** What the tests of all files are called, by the name of the file. */
function titles() {
  const found = new Map();
  for (const file of filesBelow('__test__', '.spec.js')) {
    const source = read(file);
    const list = [...source.matchAll(TITLE)].map(([, ...quoted]) =>
      quoted.find((title) => title !== undefined),
    );
    found.set(
      path.basename(file),
      list.map((title) => meaning(title, source)),
    );
  }
  for (const file of [...filesBelow('__test__/rust', '.rs'), ...filesBelow('src', '.rs')]) {
    const list = [...read(file).matchAll(RUST_TEST)].map(([, name]) => meaning(name, ''));
    if (list.length > 0) found.set(file.split(path.sep).join('/'), list);
  }
  return found;
}

/** The rows of the tables of a document, as cells, with the heading that they stand under. */
function rows(document) {
  const found = [];
  let heading = '';
  for (const line of document.split('\n')) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|') || /^\|[\s:|-]+\|$/.test(line)) continue;
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/\\\|/g, '|'));
    found.push({ heading, cells });
  }
  return found;
}

/** The rows of the differences with the title in their last column. */
function differences() {
  return rows(read('docs', 'differences.md')).filter(({ cells }) => cells.at(-1) !== 'Test');
}

const PLANNED = 'planned: ';
const isPlanned = ({ cells }) => cells.at(-1).startsWith(PLANNED);

test('every row of the differences that names a test names one that is there', (t) => {
  const all = [...titles().values()].flat();
  const tables = differences();
  t.true(tables.length > 60);
  t.true(tables.every(({ cells }) => cells.length === 4));
  const written = tables
    .filter((row) => isPlanned(row))
    .map(({ cells }) => cells.at(-1).slice(PLANNED.length));
  t.deepEqual(
    written.filter((title) => all.some((means) => means(title))),
    [],
    'no longer planned',
  );
  const missing = tables
    .filter((row) => !isPlanned(row))
    .filter(({ cells }) => !all.some((means) => means(cells.at(-1))));
  t.deepEqual(
    missing.map(({ heading, cells }) => [heading, cells.at(-1)]),
    [],
  );
});

/**
 * Every row of a document's tables names tests in its last column, which are there.
 * @returns the rows
 */
function namesItsTests(t, document) {
  const known = titles();
  const isHead = ({ cells }) => cells.at(-1) === 'Held by';
  const all = rows(read('docs', document));
  const headings = new Set(all.filter(isHead).map(({ heading }) => heading));
  const tables = all.filter((row) => headings.has(row.heading) && !isHead(row));
  for (const { heading, cells } of tables) {
    const [behaviour] = cells;
    const tests = cells.at(-1);
    const named = [...tests.matchAll(/`([^`]+)` › (.+?)(?=<br>|$)/g)];
    t.true(named.length > 0, `${heading}: ${behaviour}`);
    for (const [, file, title] of named) {
      const list = known.get(file);
      t.truthy(list, `no tests in ${file}`);
      t.true(Boolean(list) && list.some((means) => means(title.trim())), `${file} › ${title}`);
    }
  }
  return tables;
}

test("every behaviour of upstream's tests names its own tests, which are there", (t) => {
  t.true(namesItsTests(t, 'parity.md').length > 80);
});

test('every fault of syncing, every time and every bound names its tests, which are there', (t) => {
  const tables = namesItsTests(t, 'sync.md');
  const faults = tables.filter(({ heading }) => heading.startsWith('What the original does'));
  t.deepEqual(
    faults.map(({ cells }) => Number(cells[0])),
    Array.from({ length: 25 }, (_, i) => i + 1),
  );
  for (const heading of ['Networks', 'Times', 'Bounds'])
    t.true(tables.some((row) => row.heading === heading));
});

test('every unsafe block says why it is sound, and stands in docs/unsafe.md', (t) => {
  const blocks = unsafe.blocks();
  t.true(blocks.length > 30);
  t.deepEqual(
    blocks.filter(({ reason }) => !reason),
    [],
  );
  t.is(fs.readFileSync(unsafe.DOCUMENT, 'utf8'), unsafe.document(), 'node scripts/unsafe.js writes it');
});

test("every file of upstream's tests is in the list of parity", (t) => {
  const headings = new Set(
    read('docs', 'parity.md')
      .split('\n')
      .filter((line) => line.startsWith('### '))
      .flatMap((line) => line.match(/`[^`]+`/g) || []),
  );
  for (const file of UPSTREAM_FILES) t.true(headings.has(`\`${file}\``), file);
});

const UPSTREAM_FILES = [
  'factory.test.ts',
  'cookie.test.ts',
  'remote/client.test.ts',
  'local/client.test.ts',
  'local/client.eu.test.ts',
  'local/stream.test.ts',
  'local/flagConfigFetcher.test.ts',
  'local/flagConfigPoller.test.ts',
  'local/flagConfigStreamer.test.ts',
  'local/flagConfigUpdater.test.ts',
  'local/cohort/cohortApi.test.ts',
  'local/cohort/cohortFetcher.test.ts',
  'local/cohort/cohortPoller.test.ts',
  'local/cohort/cohortStorage.test.ts',
  'local/util/cohortUtils.test.ts',
  'local/assignment/assignment-filter.test.ts',
  'local/assignment/assignment-service.test.ts',
  'local/exposure/exposure-filter.test.ts',
  'local/exposure/exposure-service.test.ts',
  'assignment/assignment.test.ts',
  'exposure/exposure.test.ts',
  'util/config.test.ts',
  'util/logger.test.ts',
  'util/string.test.ts',
  'util/threading.test.ts',
  'util/user.test.ts',
  'util/variant.test.ts',
];
