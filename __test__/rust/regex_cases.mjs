// Writes what V8 says about random regular expressions, as data for the Rust tests of `plan::regex`.
//
//     node __test__/rust/regex_cases.mjs [patterns] [seed] > __test__/rust/regex_cases.json
//
// One array for each pattern: the pattern, then strings it matches, then strings it does not match; or the
// pattern alone where V8 rejects it. Written with Node 26: before Node 24, V8 rejects modifiers and names that
// several groups have; before Node 26, it accepts such names also where two of the groups can match at once.
// V8 forgets modifiers behind a first alternative (`(?i:a|[b-d])`), so that what they do is written out for it,
// or given as flags.

import { argv, stdout } from 'node:process';

const [count = 4000, seed = 1] = argv.slice(2).map(Number);

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
/** Letters that are the same where case is ignored, or nearly so. */
const CASED = [
  'aA',
  'bB',
  'kK\u212a',
  'sS\u017f\u00df\u1e9e',
  'iI\u0131\u0130',
  '\u00e9\u00c9e',
  '\u00b5\u03bc\u039c',
  '\u00ff\u0178',
  '\u03a3\u03c2\u03c3',
  '\u01c4\u01c5\u01c6\u01c7',
  '\u0345\u0399\u03b9\u1fbe',
  '\u1f80\u1f88',
  '\ud801\udc00\ud801\udc28',
];
const LINE_ENDS = ['\n', '\r', '\u2028', '\u2029'];
const MODIFIERS = ['i', 'i', 'i', 'm', 's', '-i', 'im', 'si', 'ims', '-m', 'm-i', 'i-s', 's-im', 'i-'];
const FLAGS = ['i', 'i', 'i', 'm', 's', 'im', 'ims'];
const WRONG_MODIFIERS = ['-', 'ii', 'i-i', '-mm', '--i', 'i-m-', 'I', 'u', 'g', 'i ', '^i', '\\u0069'];
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
/** Those that are an atom everywhere. */
const PLAIN_ESCAPES = [
  '\\d',
  '\\D',
  '\\s',
  '\\S',
  '\\w',
  '\\W',
  '\\n',
  '\\x61',
  '\\u0061',
  '\\u212a',
  '\\x53',
  '\\xff',
  '\\Z',
  '\\a',
  '\\-',
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
let modified;
/** The modifiers in force where the pattern is being written. */
let modifiers;
/** The flags that the whole pattern has as modifiers. */
let flags;
/** What is marked in a pattern: how it is written, and what means the same without modifiers. */
let marked;
let letters;
let odd;
let broken;

function atom(depth) {
  const kind = random();
  if (depth > 0 && kind < 0.42) {
    if (chance(modified)) return modifierGroup(depth);
    const body = alternatives(depth - 1);
    if (names.length && chance(0.15)) {
      const name = pick(names);
      return `(?:(?<${name}>${body})|(?<${name}>${alternatives(depth - 1)}))`;
    }
    const open = random();
    if (open < 0.42) return `(${body})`;
    if (open < 0.62) return `(?:${body})`;
    if (open < 0.72) return `(?=${body})`;
    if (open < 0.79) return `(?!${body})`;
    if (open < 0.87) return `(?<=${body})`;
    if (open < 0.93) return `(?<!${body})`;
    const name =
      names.length && !chance(0.05)
        ? chance(0.3)
          ? pick(names)
          : names.pop()
        : pick(['a', 'b', '$', '1', '\\u0061', '\\u{62}']);
    return `(?<${name}>${body})`;
  }
  if (kind < 0.75) return letter();
  if (kind < 0.79) return mark('.', modifiers.s ? '[^]' : '.');
  if (kind < 0.83) return characterClass();
  if (kind < 0.91) return modifiers.i ? letter() : pick(REFERENCES);
  if (kind < 0.95) {
    if (!chance(odd)) return letter();
    return modified ? folded(pick(PLAIN_ESCAPES)) : pick(ESCAPES);
  }
  if (kind < 0.975) {
    const others = `[^${LINE_ENDS.join('')}]`;
    return pick([
      () => mark('^', modifiers.m ? `(?<!${others})` : '^'),
      () => mark('$', modifiers.m ? `(?!${others})` : '$'),
      () => '\\b',
      () => '\\B',
    ])();
  }
  return chance(odd) && !modified ? pick(ODD) : letter();
}

const letter = () => folded(pick(letters));

/** A character or escape, under the modifiers in force. */
function folded(text) {
  return mark(text, modifiers.i && !/^[\ud800-\udbff]/.test(text) ? ignoringCase(text) : text);
}

/** Marks are of the private use area. */
const MARK = /[\ue000-\uefff]/g;
const written = (text) => text.replace(MARK, (found) => marked[found.charCodeAt(0) - 0xe000][0]);
const meant = (text) => text.replace(MARK, (found) => marked[found.charCodeAt(0) - 0xe000][1]);

function mark(text, meaning) {
  if (!modified) return text;
  return String.fromCharCode(0xe000 + marked.push([text, meaning]) - 1);
}

const UNITS = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));
/** Canonicalize of the standard. */
function canonical(unit) {
  const upper = unit.toUpperCase();
  return upper.length !== 1 || (unit >= '\x80' && upper < '\x80') ? unit : upper;
}
const CANONICAL = UNITS.map(canonical);
const known = new Map();

/** What matches one unit, as a class that does so whatever the case. */
function ignoringCase(text) {
  let found = known.get(text);
  if (found === undefined) {
    const negated = text.startsWith('[^');
    const one = new RegExp(`^(?:${negated ? text.replace('^', '') : text})$`);
    const classes = new Set(CANONICAL.filter((_, unit) => one.test(UNITS[unit])));
    const ranges = [];
    for (const [unit, upper] of CANONICAL.entries()) {
      if (!classes.has(upper)) continue;
      if (ranges.at(-1)?.[1] === unit - 1) ranges.at(-1)[1] = unit;
      else ranges.push([unit, unit]);
    }
    const escape = (unit) => `\\u${unit.toString(16).padStart(4, '0')}`;
    found = `[${negated ? '^' : ''}${ranges.map((range) => range.map(escape).join('-')).join('')}]`;
    known.set(text, found);
  }
  return found;
}
function modifierGroup(depth) {
  const text = pick(chance(0.03) ? WRONG_MODIFIERS : MODIFIERS);
  const before = modifiers;
  const [on, off = ''] = text.split('-');
  modifiers = { ...modifiers };
  for (const name of on) modifiers[name] = true;
  for (const name of off) modifiers[name] = false;
  const body = alternatives(depth - 1);
  modifiers = before;
  return `${mark(`(?${text}:`, '(?:')}${body})`;
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
        'Z-b',
        'k-s',
        '\u00b5-\u00ff',
        '\u0130-\u0180',
        '\u0370-\u03ff',
        '\ud800-\udbff',
        '\\ud83d',
        '\0-\x7f',
        '\\0-\\uffff',
        '\\c-z',
      ]);
    if (kind < 0.85) return pick(['\\b', '\\B', ...ESCAPES]);
    if (chance(modified)) return pick([...pick(CASED)]);
    return pick([
      ...ODD.filter((text) => !(modified ? ['\\', ']'] : ['\\']).includes(text)),
      '^',
      '(',
      '.',
      '$',
      '|',
    ]);
  };
  const text = `[${chance(0.35) ? '^' : ''}${repeat(below(4), part)}]`;
  try {
    return mark(text, modifiers.i ? ignoringCase(text) : text);
  } catch {
    return text;
  }
}

const quantifiable = (atom) => !/^(\^|\$|\\b|\\B|\(\?<[=!].*)$/is.test(atom) || chance(0.02);

function term(depth) {
  const text = atom(depth);
  return (
    text +
    (chance(0.35) && quantifiable(written(text))
      ? pick(QUANTIFIERS.slice(0, chance(0.95) ? 14 : undefined))
      : '')
  );
}

const sequence = (depth) => repeat(below(4) + (chance(0.8) ? 1 : 0), () => term(depth));
const alternatives = (depth) => sequence(depth) + (chance(0.25) ? `|${sequence(depth)}` : '');

function pattern() {
  names = chance(0.3) ? ['b', 'a'] : [];
  modified = chance(0.3) ? 0.4 : 0;
  modifiers = {};
  marked = [];
  flags = modified || chance(0.9) ? '' : pick(FLAGS);
  letters =
    modified || flags
      ? chance(0.5)
        ? [...'aAbB', ...LINE_ENDS.slice(0, below(5))]
        : [...pick(CASED), ...pick(CASED)]
      : chance(0.6)
        ? ['a', 'b', 'a', 'b', 'c']
        : LETTERS;
  odd = chance(0.4) ? 0.7 : 0.1;
  let text = alternatives(below(4));
  if (chance(0.35)) text = `^(?:${text})$`;
  broken = chance(0.12);
  if (broken) {
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
while (cases.length < count) {
  const body = pattern();
  const text = flags ? `(?${flags}:${written(body)})` : written(body);
  try {
    new RegExp(text);
  } catch {
    cases.push([text]);
    continue;
  }
  // Where it was broken, its marks may be wrong.
  if (broken && (modified || flags || text.includes('(?i:'))) continue;
  const regexp = new RegExp(meant(body), flags);
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
