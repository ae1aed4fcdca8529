// Writes what V8 says about random regular expressions, as data for the Rust tests of `plan::regex`.
//
//     node __test__/rust/regex_cases.mjs [patterns] [seed] > __test__/rust/regex_cases.json
//
// One array for each pattern: the pattern, then strings it matches, then strings it does not match; or the
// pattern alone where V8 rejects it. Written with Node 20: later versions accept more.

import { argv, stdout } from 'node:process';

const [count = 3500, seed = 1] = argv.slice(2).map(Number);

/** Mulberry32: the same cases for the same seed. */
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const chance = (p) => random() < p;
const repeat = (n, make) => Array.from({ length: n }, make).join('');

const LETTERS = [...'aaaabbbcA1_ -'];
const ODD = [
  '\n',
  '\r',
  '\u2028',
  '\u00a0',
  '\ufeff',
  '\u00e9',
  '\u20ac',
  '\ud83d\ude00',
  '\ud83d',
  '\ude00',
  '\0',
  '\x01',
  '\x08',
  '\x11',
  '\x1f',
  '\\',
  ']',
  '[',
  '{',
  '}',
  '8',
  'k',
  'c',
  'x',
  'u',
  'p',
  '\u007f',
  '\u0080',
  '\u07ff',
  '\u0800',
  '\uffff',
];
const ESCAPES = [
  '\\d',
  '\\D',
  '\\s',
  '\\S',
  '\\w',
  '\\W',
  '\\n',
  '\\r',
  '\\t',
  '\\v',
  '\\f',
  '\\0',
  '\\1',
  '\\2',
  '\\3',
  '\\10',
  '\\12',
  '\\141',
  '\\377',
  '\\400',
  '\\08',
  '\\8',
  '\\9',
  '\\81',
  '\\x61',
  '\\x6',
  '\\x',
  '\\u0061',
  '\\u006',
  '\\u{61}',
  '\\u{2}',
  '\\u',
  '\\ud83d',
  '\\ude00',
  '\\ud83d\\ude00',
  '\\ca',
  '\\cA',
  '\\c1',
  '\\c_',
  '\\c',
  '\\c*',
  '\\k',
  '\\p{L}',
  '\\P',
  '\\Z',
  '\\A',
  '\\-',
  '\\/',
  '\\]',
  '\\[',
  '\\^',
  '\\$',
  '\\.',
  '\\a',
  '\\e',
  '\\q',
  '\\\u00e9',
  '\\\ud83d\ude00',
];
const REFERENCES = ['\\1', '\\1', '\\2', '\\3', '\\k<a>', '\\k<b>'];
const QUANTIFIERS = [
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '??',
  '{2}',
  '{0}',
  '{1,2}',
  '{0,1}',
  '{1,}',
  '{2,3}?',
  '{0,2}',
  '{2,}?',
  '{3,1}',
  '{,2}',
  '{',
  '{1',
  '{1,',
  '{a}',
  '**',
  '+*',
  '{1}{2}',
  '{0,}',
  '{0}?',
  '{1}?',
];

// Chosen for each pattern.
let names;
let letters;
let odd;

function atom(depth) {
  const kind = random();
  if (depth > 0 && kind < 0.42) {
    const body = alternatives(depth - 1);
    const open = random();
    if (open < 0.42) return `(${body})`;
    if (open < 0.62) return `(?:${body})`;
    if (open < 0.72) return `(?=${body})`;
    if (open < 0.79) return `(?!${body})`;
    if (open < 0.87) return `(?<=${body})`;
    if (open < 0.93) return `(?<!${body})`;
    const name =
      names.length && !chance(0.05) ? names.pop() : pick(['a', 'b', '$', '1', '\\u0061', '\\u{62}']);
    return `(?<${name}>${body})`;
  }
  if (kind < 0.75) return pick(letters);
  if (kind < 0.79) return '.';
  if (kind < 0.83) return characterClass();
  if (kind < 0.91) return pick(REFERENCES);
  if (kind < 0.95) return chance(odd) ? pick(ESCAPES) : pick(letters);
  if (kind < 0.975) return pick(['^', '$', '\\b', '\\B']);
  return chance(odd) ? pick(ODD) : pick(letters);
}

function characterClass() {
  const part = () => {
    const kind = random();
    if (kind < 0.4) return pick(letters);
    if (kind < 0.6)
      return pick([
        'a-c',
        'b-b',
        '0-9',
        'A-Z',
        'b-a',
        '\\w-a',
        'a-\\w',
        '\\d-\\s',
        '-',
        'a-',
        '--a',
        '\\x61-c',
        '\u00e0-\u20ac',
        '\ud800-\udbff',
        '\\ud83d',
        '\0-\x7f',
        '\\0-\\uffff',
        '\\c-z',
      ]);
    if (kind < 0.85) return pick(['\\b', '\\B', ...ESCAPES]);
    return pick([...ODD.filter((text) => text !== '\\'), '^', '(', '.', '$', '|']);
  };
  return `[${chance(0.35) ? '^' : ''}${repeat(below(4), part)}]`;
}

const quantifiable = (atom) => !/^(\^|\$|\\b|\\B|\(\?<[=!].*)$/is.test(atom) || chance(0.02);

function term(depth) {
  const text = atom(depth);
  return (
    text +
    (chance(0.35) && quantifiable(text) ? pick(QUANTIFIERS.slice(0, chance(0.95) ? 14 : undefined)) : '')
  );
}

const sequence = (depth) => repeat(below(4) + (chance(0.8) ? 1 : 0), () => term(depth));
const alternatives = (depth) => sequence(depth) + (chance(0.25) ? `|${sequence(depth)}` : '');

function pattern() {
  names = chance(0.3) ? ['b', 'a'] : [];
  letters = chance(0.6) ? ['a', 'b', 'a', 'b', 'c'] : LETTERS;
  odd = chance(0.4) ? 0.7 : 0.1;
  let text = alternatives(below(4));
  if (chance(0.35)) text = `^(?:${text})$`;
  if (chance(0.12)) {
    // Break it somewhere.
    const at = below(text.length + 1);
    const noise = pick([
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '*',
      '?',
      '\\',
      '|',
      '<',
      '>',
      '(?',
      '(?<',
      '(?<=',
      '-',
      ',',
      '1',
      'a',
      '\\k<',
      '\\u',
      '(?:',
      '(?i)',
      '(?i:',
    ]);
    text = text.slice(0, at) + (chance(0.5) ? noise : '') + text.slice(at + below(3));
  }
  return text;
}

function haystack() {
  const letter = odd > 0.5 ? () => pick(chance(0.3) ? ODD : letters) : () => pick(letters);
  return repeat(below(10), letter);
}

const cases = [];
for (let i = 0; i < count; i++) {
  const text = pattern();
  let regexp;
  try {
    regexp = new RegExp(text);
  } catch {
    cases.push([text]);
    continue;
  }
  const matching = new Set();
  const others = new Set();
  for (let tries = 0; tries < 24 && (matching.size < 3 || others.size < 3); tries++) {
    const input = haystack();
    const set = regexp.test(input) ? matching : others;
    if (set.size < 3) set.add(input);
  }
  cases.push([text, [...matching], [...others]]);
}
stdout.write(`[\n${cases.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`);
