// Writes what Node and the package we replace make of random cookies, as data for the Rust tests of `cookie`.
//
//     node __test__/rust/cookie_cases.mjs [seed] > __test__/rust/cookie_cases.json
//
// `names`: key, old name, new name (null: refused). `old`: cookie, device id, user id (null: none). `new`: cookie,
// the JSON text in it (null: not URI-encoded text). `generated`: device id, its JSON text, old cookie, new cookie.

import { createRequire } from 'node:module';
import { argv, stdout } from 'node:process';

const { AmplitudeCookie } = createRequire(import.meta.url)('@amplitude/experiment-node-server');

/** Mulberry32: the same cases for the same seed. */
let state = Number(argv[2] ?? 1);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const repeat = (n, make) => Array.from({ length: n }, make).join('');
const attempt = (f) => {
  try {
    return f();
  } catch {
    return null;
  }
};

const PLAIN = [...'abcXYZ019'];
const UNICODE = [
  '\u00e9',
  '\u20ac',
  '\ud83d\ude00',
  '\ud83d',
  '\ude00',
  '\ufeff',
  '\0',
  '\n',
  '"',
  '\\',
  '\u007f',
];
const ESCAPED = [..." %/?#[]@!$&'()*+,;=-_.~^`|<>{}"];
const BASE64 = [...'ABCabcxyz0189+/+/-_-_'];
// Only the lower half of a code unit counts: U+0159 is read as `Y`, U+013D and U+D83D as `=`.
const JUNK = [...' \n!%=', '\u0080', '\u00ff', '\u0159', '\u013d', '\u0100', '\ud83d', '\udc00'];
const BYTES = [
  0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xc3, 0xe0, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x9f, 0xf0, 0x90, 0xf4,
  0x8f, 0xf5, 0xff,
];
const ENCODED = [
  '%41',
  '%c3%A9',
  '%E2%82%AC',
  '%F0%9F%98%80',
  '%',
  '%4',
  '%4g',
  '%C3',
  '%C3%',
  '%C3a',
  '%80',
  '%C0%80',
  '%E0%80%80',
  '%ED%A0%80',
  '%F4%90%80%80',
  '%F8%80',
  '%FF',
  '%22',
  '%2B',
  '%00',
  '\u00e9',
  '\u20ac',
];

const text = () => repeat(below(8), () => pick(pick([PLAIN, PLAIN, UNICODE, ESCAPED])));
const base64 = () => repeat(below(20), () => pick(random() < 0.85 ? BASE64 : JUNK));
const bytes = () => Buffer.from(Array.from({ length: below(7) }, () => pick(BYTES)));
const encode = (buffer) => buffer.toString(pick(['base64', 'base64url']));

function old(index) {
  const user = pick([base64, () => encode(bytes()), () => encode(Buffer.from(text()))])();
  const cookie =
    index < 10 ? text() : [text(), user, text()].slice(0, 1 + below(3)).join('.') + pick(['', '.', '...']);
  const { device_id, user_id } = AmplitudeCookie.parse(cookie);
  return [cookie, device_id, user_id ?? null];
}

function fresh() {
  const parts = repeat(below(5), () => pick(pick([PLAIN, ENCODED.slice(0, 4), ENCODED])));
  const cookie = pick([() => encode(Buffer.from(parts)), () => encode(Buffer.from(parts)), base64])();
  return [cookie, attempt(() => decodeURIComponent(Buffer.from(cookie, 'base64').toString('utf-8')))];
}

function generated() {
  const id = text();
  return [
    id,
    JSON.stringify({ deviceId: id }),
    AmplitudeCookie.generate(id),
    AmplitudeCookie.generate(id, true),
  ];
}

function name() {
  const key = repeat(below(13), () => pick(random() < 0.8 ? PLAIN : UNICODE));
  return [
    key,
    attempt(() => AmplitudeCookie.cookieName(key)),
    attempt(() => AmplitudeCookie.cookieName(key, true)),
  ];
}

const cases = (n, make) => Array.from({ length: n }, (_, index) => make(index));
const all = {
  names: cases(40, name),
  old: cases(250, old),
  new: cases(250, fresh),
  generated: cases(60, generated),
};
const lines = Object.entries(all).map(
  ([kind, list]) => `"${kind}":[\n${list.map((one) => JSON.stringify(one)).join(',\n')}\n]`,
);
stdout.write(`{${lines.join(',\n')}}\n`);
