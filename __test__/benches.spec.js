'use strict';

/** What the benches and the soak do besides timing: what they publish, what they compare, when they fail. */

const fs = require('node:fs');
const path = require('node:path');
const test = require('ava');
const { portableFlags, realisticUser, variedUser } = require('../benches/flags');
const { duration } = require('../benches/measure');
const { charts, ORIGINAL, OURS } = require('../benches/document/charts');
const { benchmarks, summary } = require('../benches/document/document');
const { BEHIND, explained, leastIsBest, replaced, table } = require('../benches/document/markdown');
const { agreement } = require('../benches/peers/agreement');
const { ours } = require('../benches/peers/ours');
const { attributesOf, rulesOf } = require('../benches/peers/rules');
const { goals, slope } = require('../scripts/soak/goals');

const load = (perSecond) => ({ perSecond, p50: 1e5, p99: 2e6, cpu: 5e4, loop: 4e4 });
const stall = (bytes) => ({ longest: 1e6, longestOnTheClock: 2e6, nanoseconds: 3e9, bytes, idle: 1e5 });
const peer = (name, nanoseconds) => ({
  name,
  version: '1.2.3',
  allCall: 'all()',
  oneCall: 'one(a | b)',
  decided: 10,
  shares: 0.02,
  nanoseconds,
});
const bytes = { memory: 4e7, packages: 2, files: 30, bytes: 5e6 };

/** What the benches give, small. */
const RESULTS = {
  about: {
    date: '2030-01-02',
    processor: 'A Processor',
    cores: 2,
    memory: '8 GiB',
    system: 'Linux',
    load: '0.5',
    node: 'v20.1.0',
    rust: 'rustc 1.90',
    commit: 'abc',
    run: 'full',
  },
  missed: ['remote'],
  evaluate: [
    { name: '1 flag', goal: 6, hasFloor: false, upstream: 3000, ours: 250, results: 20, call: 200 },
    { name: '1 key of 500', goal: 800, hasFloor: false, upstream: 3e5, ours: 300, results: 20, call: 200 },
  ],
  peers: {
    cases: ['1 flag', '10 flags', '1 key of 500'],
    peers: [peer(OURS, [200, 9000, 300]), peer(ORIGINAL, [2000, 8000, 3e5])],
  },
  events: {
    costs: [{ flags: 20, goal: 50, upstream: { plain: 1e5, adds: 5e5 }, ours: { plain: 4e3, adds: 5e3 } }],
    delivery: { tracked: 50_000, taken: 50_000, nanoseconds: 5e8, longest: 1e6 },
    hanging: { seconds: 30, tracked: 60_000, most: 2 ** 20 },
  },
  sync: {
    cohorts: [{ title: 'random UUIDs', members: 1e6, upstream: stall(2e8), ours: stall(2e7) }],
    updates: [{ title: 'one flag', all: false, flags: 5000, upstream: stall(0), ours: stall(0) }],
  },
  remote: [{ server: 'lean', inFlight: 1, goal: 0, upstream: load(5000), ours: load(4000) }],
  startup: [
    { name: ORIGINAL, nanoseconds: 7e7, ...bytes },
    { name: OURS, nanoseconds: 6e6, ...bytes, bytes: 6e6 },
  ],
};

test('durations have three digits and the unit that fits', (t) => {
  t.deepEqual([0, 12, 999.6, 1234, 999_999, 45_678_901, 1.05e9, -2500].map(duration), [
    '0 ns',
    '12 ns',
    '1.00 µs',
    '1.23 µs',
    '1.00 ms',
    '45.7 ms',
    '1.05 s',
    '-2.50 µs',
  ]);
});

test('a figure of ours that another is ahead of is marked, and told why', (t) => {
  const rows = leastIsBest(
    [
      { name: 'a', values: [1, 5, 3] },
      { name: 'us', values: [2, 4, 3] },
    ],
    'us',
    String,
  );
  t.deepEqual(rows, [
    ['a', '1', '5', '3'],
    ['**us**', `2 ${BEHIND}`, '4', '3'],
  ]);
  const written = table(['', 'x', 'y', 'z'], rows);
  t.is(explained(written, 'because'), `${written}\n\n${BEHIND} because`);
  t.is(explained('| all | well |', 'because'), '| all | well |');
});

test('a part of a document is replaced between its marks, and nothing else is', (t) => {
  const document = 'before\n<!-- part -->\nold\n<!-- /part -->\nafter\n';
  const once = replaced(document, 'part', 'new');
  t.is(once, 'before\n<!-- part -->\nnew\n<!-- /part -->\nafter\n');
  t.is(replaced(once, 'part', 'new'), once);
  t.throws(() => replaced(document, 'other', 'new'), { message: /no place named other/ });
});

test('the published benchmarks show every figure, the machine, missed goals and losing cells', (t) => {
  const text = benchmarks(RESULTS);
  for (const part of [
    '| Date | 2030-01-02, commit abc, a full run |',
    '| Load average before the run | 0.5 |',
    '| Processor | A Processor, 2 cores |',
    '| Goals missed in this run | `benches/remote.js` |',
    `${OURS} 1.2.3`,
    `| **${OURS}** | 200 ns | 9.00 µs ${BEHIND} | 300 ns |`,
    '`one(a \\| b)`',
    '| 1 key of 500 | 300 µs | 300 ns | 1,000 |',
    '| 20 | 100 µs | 500 µs | 4.00 µs | 5.00 µs | 100 |',
    '| 1,000,000 members, random UUIDs | original | 1.00 ms | 3.00 s | 190.7 MiB |',
    `| lean | 1 | **${OURS}** | 4000 ${BEHIND} | 100 µs | 2.00 ms | 50.0 µs | 40.0 µs |`,
    `| **${OURS}** | 6.00 ms | 38.1 MiB | 2 | 30 | 5.7 MiB ${BEHIND} |`,
  ]) {
    t.true(text.includes(part), part);
  }
  t.notRegex(text, /undefined|NaN|Infinity/);
  t.notRegex(benchmarks({ ...RESULTS, missed: [] }), /benches\/remote\.js`? \|/);
});

test('what tracking adds is not a number where the clock cannot tell it', (t) => {
  const [cost] = RESULTS.events.costs;
  const costs = [{ ...cost, ours: { plain: 4e3, adds: -20 } }];
  const text = benchmarks({ ...RESULTS, events: { ...RESULTS.events, costs } });
  t.true(text.includes('| 20 | 100 µs | 500 µs | 4.00 µs | not measurable |  |'));
});

test('every chart that the documents show is drawn from what was measured', (t) => {
  const drawn = charts(RESULTS);
  const shown = [...(benchmarks(RESULTS) + summary(RESULTS)).matchAll(/charts\/([\w-]+)\.svg/g)];
  t.deepEqual([...new Set(shown.map(([, name]) => name))].sort(), Object.keys(drawn).sort());
  t.deepEqual(drawn.evaluation.data.values, [
    { package: OURS, flags: 1, micros: 0.2 },
    { package: OURS, flags: 10, micros: 9 },
    { package: ORIGINAL, flags: 1, micros: 2 },
    { package: ORIGINAL, flags: 10, micros: 8 },
  ]);
  t.deepEqual(
    drawn['one-key'].data.values.map(({ value }) => value),
    [0.3, 300],
  );
});

test('the figures of the README are those of docs/benchmarks.md, and its chart is there', (t) => {
  const root = path.join(__dirname, '..');
  const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');
  const [, part] = /<!-- benchmarks -->\n([\s\S]*)\n<!-- \/benchmarks -->/.exec(read('README.md'));
  const rows = part.split('\n').filter((line) => line.startsWith('|'));
  t.true(rows.length > 6);
  const published = read('docs/benchmarks.md');
  for (const row of rows) t.true(published.includes(row), row);
  for (const [, file] of part.matchAll(/\]\((docs\/charts\/[^)]+)\)/g)) t.regex(read(file), /^<svg/);
});

test('the flags that peers are given can be said to all of them', (t) => {
  const rules = portableFlags(30).map(rulesOf);
  const asked = new Set(rules.flatMap(({ targets }) => targets.map(({ op }) => op)));
  t.deepEqual([...asked].sort(), [
    'contains',
    'greater',
    'is',
    'is not',
    'set contains any',
    'version greater or equal',
  ]);
  t.deepEqual([...new Set(rules.map(({ rollout }) => rollout.attribute))].sort(), ['device_id', 'user_id']);
  t.like(attributesOf(realisticUser(3)), { user_id: 'user-3', plan: 'pro', org: 'acme', age: 31 });
});

test('what cannot be said to every peer is refused', (t) => {
  const [flag] = portableFlags(1);
  const [inclusions, ...others] = flag.segments;
  const having = (condition) => ({
    ...flag,
    segments: [{ ...inclusions, conditions: [condition] }, ...others],
  });
  const { selector } = inclusions.conditions[0][0];
  t.throws(() => rulesOf(having([{ selector, op: 'regex match', values: ['a'] }])), {
    message: /regex match/,
  });
  const [one] = inclusions.conditions[0];
  t.throws(() => rulesOf(having([one, one])), { message: /all have to hold/ });
  t.throws(() => rulesOf(having([{ ...one, selector: ['result', 'flag-1', 'key'] }])), {
    message: /result\.flag-1\.key/,
  });
});

test('every condition of those flags holds for some of the varied users, and not for all', (t) => {
  const users = Array.from({ length: 3000 }, (_, i) => attributesOf(variedUser(i)));
  for (const { key, targets } of portableFlags(30).map(rulesOf)) {
    for (const { attribute, op, values } of targets) {
      const holds = {
        is: (value) => values.includes(value),
        'is not': (value) => !values.includes(value),
        greater: (value) => value > Number(values[0]),
        'version greater or equal': (value) => !value.startsWith('8.') && value !== '9.0.9',
        contains: (value) => values.some((part) => value.includes(part)),
        'set contains any': (value) => values.some((part) => value.includes(part)),
      }[op];
      const count = users.filter((user) => holds(user[attribute])).length;
      t.true(count > 0 && count < users.length, `${key}: ${attribute} ${op} ${values}: ${count}`);
    }
  }
});

/** A peer that answers as ours does, but for what is changed. */
const likeOurs = (change) => ({
  ...ours,
  name: 'a peer',
  async open(flags) {
    const opened = await ours.open(flags);
    return { ...opened, ...change(opened) };
  },
});

test('a peer that answers as ours does agrees', async (t) => {
  const { decided, shares } = await agreement(
    ours,
    likeOurs(() => ({})),
  );
  t.true(decided > 10_000);
  t.is(shares, 0);
});

test('a peer that does not evaluate a condition, hashes to other shares, or answers one flag otherwise does not agree', async (t) => {
  const changed = (change) => ({
    variants: (answer) =>
      Object.fromEntries(
        Object.entries(answer).map(([key, { key: variant, metadata }]) => [
          key,
          change(key, variant, metadata.segmentName === 'All Other Users'),
        ]),
      ),
  });
  await t.throwsAsync(
    agreement(
      ours,
      likeOurs(() => changed((key, variant, hashed) => (key === 'flag-7' && !hashed ? 'off' : variant))),
    ),
    { message: /a peer does not agree: flag-7 is off for user \d+, and treatment by its conditions/ },
  );
  const nobodyOff = (_, variant, hashed) => (hashed && variant === 'off' ? 'control' : variant);
  await t.throwsAsync(
    agreement(
      ours,
      likeOurs(() => ({ ...changed(nobodyOff), variant: () => 'control', one: () => ({}) })),
    ),
    { message: /a peer does not agree/ },
  );
  await t.throwsAsync(
    agreement(
      ours,
      likeOurs(() => ({ variant: () => 'other' })),
    ),
    { message: /alone/ },
  );
});

/** A soak that meets all goals. */
const SOAKED = {
  seconds: 120,
  load: { p50: 1, p90: 2, p99: 5, p99_9: 9, max: 10, sent: 100, ok: 100, errors: 0, timeouts: 0, non2xx: 0 },
  memory: [[1, 1, 1, 1, 1, 1].map((mib) => mib * 2 ** 20)],
  heap: [2 ** 20],
  ended: [2 * 2 ** 20],
  delayP99: [1e7, 2e7],
  delayMax: [3e7, 3e7],
  processor: 1,
  versions: [119, 120],
  changes: 120,
  tracked: 1000,
  taken: 1000,
  downloads: 24,
};
const SLOWER = { ...SOAKED, load: { ...SOAKED.load, p99: 9 }, delayP99: [3e7, 3e7] };

test('a soak that is well meets every goal', (t) => {
  t.deepEqual(
    goals(SOAKED, SLOWER).filter(({ met }) => !met),
    [],
  );
});

for (const [what, change, goal] of [
  ['an error response', { load: { ...SOAKED.load, non2xx: 1 } }, /no error response/],
  ['a timeout', { load: { ...SOAKED.load, timeouts: 1 } }, /no error response/],
  ['no answer at all', { load: { ...SOAKED.load, ok: 0 } }, /no error response/],
  ['latency above the original', { load: { ...SOAKED.load, p99: 10 } }, /p99 latency/],
  ['a loop that is held up', { delayP99: [1e7, 4e7] }, /event-loop delay/],
  ['memory that has grown', { ended: [20 * 2 ** 20] }, /memory is flat: a worker has grown/],
  ['a heap that has grown', { heap: [20 * 2 ** 20] }, /memory is flat: a worker's heap/],
  ['memory that grows', { memory: [[1, 1, 1, 2, 3, 4, 5].map((mib) => mib * 2 ** 20)] }, /its slope/],
  ['updates that do not arrive', { versions: [120, 50] }, /updates arrive/],
  ['cohorts that do not change', { downloads: 3 }, /cohorts change/],
  ['an exposure that is lost', { taken: 999 }, /no exposure is lost/],
  ['exposures that are not tracked', { tracked: 0, taken: 0 }, /no exposure is lost/],
]) {
  test(`a soak misses its goal: ${what}`, (t) => {
    const missed = goals({ ...SOAKED, ...change }, SLOWER).filter(({ met }) => !met);
    t.is(missed.length, 1);
    t.regex(missed[0].goal, goal);
  });
}

test('the slope of memory is that after the first third', (t) => {
  t.is(slope([90, 50, 10, 11, 12, 13, 14, 15, 16]), 1);
  t.is(slope([0, 100, 5, 5, 5, 5]), 0);
  t.is(slope([7]), 0);
});
