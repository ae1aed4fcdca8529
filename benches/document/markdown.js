'use strict';

/** Markdown tables, in which a cell of ours that others are ahead of is marked. */

/** What marks it. */
const BEHIND = '▼';

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`)
    .join('\n');
}

/**
 * Rows of numbers, of which the least is the best, as text. In our row a number that another row is below is marked.
 * @param {{ name: string, values: number[] }[]} rows
 * @param {string} ours the name of our row
 * @param {(value: number, column: number) => string} text
 * @returns {string[][]}
 */
function leastIsBest(rows, ours, text) {
  return rows.map(({ name, values }) => [
    name === ours ? `**${name}**` : name,
    ...values.map((value, column) => {
      const isBehind = name === ours && rows.some((row) => row.values[column] < value);
      return isBehind ? `${text(value, column)} ${BEHIND}` : text(value, column);
    }),
  ]);
}

/**
 * The explanation of marks in a table; nothing where it has none.
 * @param {string} written the table
 * @param {string} reason
 */
function explained(written, reason) {
  return written.includes(BEHIND) ? `${written}\n\n${BEHIND} ${reason}` : written;
}

/**
 * A document in which what is between `<!-- NAME -->` and `<!-- /NAME -->` is something else.
 * @param {string} document
 * @param {string} name
 * @param {string} text
 * @throws {Error} where the document has no such place
 */
function replaced(document, name, text) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`there is no place named ${name}`);
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`;
}

module.exports = { BEHIND, table, leastIsBest, explained, replaced };
