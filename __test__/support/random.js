'use strict';

/**
 * Random flags and users for differential tests: every operator, selector kind, bucket, dependency and
 * metadata rule, on values chosen so that conditions match about as often as not.
 */

/** A small seeded generator (mulberry32): the same seed gives the same cases on every machine. */
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  int(below) {
    return Math.floor(this.next() * below);
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.int(list.length)];
  }

  some(list, most) {
    return Array.from({ length: this.int(most + 1) }, () => this.pick(list));
  }
}

const OPERATORS = [
  'is',
  'is not',
  'contains',
  'does not contain',
  'less',
  'less or equal',
  'greater',
  'greater or equal',
  'version less',
  'version less or equal',
  'version greater',
  'version greater or equal',
  'set is',
  'set is not',
  'set contains',
  'set does not contain',
  'set contains any',
  'set does not contain any',
  'regex match',
  'regex does not match',
  'glob match',
  'IS',
];

const TEXTS = [
  '',
  ' ',
  'a',
  'b',
  'ab',
  'A',
  'true',
  'TRUE',
  'False',
  '(none)',
  '1',
  '1.0',
  '10',
  '9',
  '-1',
  '0x10',
  '0b11',
  '1e3',
  '.5',
  '5.',
  'Infinity',
  '1_000',
  '\t5\n',
  '\u00a07\ufeff',
  '1.2.3',
  '1.10.0',
  '1.2',
  '1.2.3-rc.10',
  '1.2.3-rc.2',
  '1.2.3-',
  'v1.2.3',
  '1.2.3.4',
  '99999999999999999999.0',
  '["a","b"]',
  '["a"] ',
  ' ["a"]',
  '[]',
  '[a]',
  '[1.0,1e3]',
  '[null,"",true]',
  'ΟΔΟΣ',
  'οδος',
  'İstanbul',
  'straße',
  'STRASSE',
  '\u212a',
  'k',
  '日本',
  '😀',
  '\ud83d',
  'a\udc00',
  '\uffff',
  'control',
  'treatment',
  'on',
  'us',
  'US',
  'premium user',
  'foo@example.com',
];

const NUMBERS = [0, -0, 1, 9, 10, 1.5, 1e21, 1e-7, 0.1 + 0.2, NaN, Infinity, -1, 123456789012, 2 ** 53];

const PATTERNS = [
  '^a',
  'b$',
  '.',
  '^.$',
  '\\d+',
  '^\\w+@\\w+\\.com$',
  '[A-Z]',
  '(a)(b)?',
  'true|false',
  '\\ud83d',
  '^$',
  '(?=a)ab',
  '\\s',
  '[^a]',
  'a{2}',
  '(?:x|)+1',
];

const NAMES = ['plan', 'country', 'age', 'tags', 'version', 'app', 'nested', 'flag', 'a', '1', 'länd'];
const USERS = 1000;
const GROUP_TYPES = ['org', 'team', 'org id', 'User'];
const GROUP_NAMES = ['acme', 'x', '', '5'];

function value(random, depth = 0) {
  const kind = random.int(depth > 1 ? 8 : 12);
  if (kind < 5) return random.pick(TEXTS);
  if (kind < 7) return random.pick(NUMBERS);
  if (kind === 7) return random.chance(0.5);
  if (kind === 8) return null;
  if (kind === 9) return Array.from({ length: random.int(4) }, () => value(random, depth + 1));
  if (kind === 10) return object(random, depth + 1);
  return undefined;
}

function object(random, depth = 0) {
  const result = {};
  for (const name of random.some(NAMES, 4)) {
    result[name] = value(random, depth + 1);
  }
  return result;
}

function user(random) {
  const result = {};
  if (random.chance(0.85)) {
    const kind = random.int(20);
    result.user_id = kind < 17 ? `user-${random.int(USERS)}` : kind < 19 ? random.pick(TEXTS) : value(random);
  }
  if (random.chance(0.85))
    result.device_id = random.chance(0.9) ? `device-${random.int(1000)}` : value(random);
  for (const name of ['country', 'platform', 'version', 'language', 'os']) {
    if (random.chance(0.5)) result[name] = random.chance(0.9) ? random.pick(TEXTS) : value(random);
  }
  if (random.chance(0.9)) result.user_properties = object(random);
  if (random.chance(0.2)) result.cohort_ids = random.some(['c1', 'c2', 'c3'], 2);
  if (random.chance(0.6)) {
    result.groups = {};
    result.group_properties = {};
    result.group_cohort_ids = {};
    for (const type of GROUP_TYPES) {
      if (random.chance(0.6)) result.groups[type] = random.some(GROUP_NAMES, 2);
      if (random.chance(0.6)) {
        result.group_properties[type] = {};
        for (const name of GROUP_NAMES)
          if (random.chance(0.6)) result.group_properties[type][name] = object(random);
      }
      if (random.chance(0.3)) {
        result.group_cohort_ids[type] = { acme: random.some(['c1', 'g1', 'g2'], 2), x: ['g1'] };
      }
    }
  }
  return result;
}

function selector(random, flagKeys) {
  const kind = random.int(24);
  if (kind < 4)
    return ['context', 'user', random.pick(['user_id', 'device_id', 'country', 'platform', 'version', 'os'])];
  if (kind < 11) return ['context', 'user', 'user_properties', random.pick(NAMES)];
  if (kind < 12)
    return ['context', 'user', 'user_properties', random.pick(NAMES), random.pick([...NAMES, 'length', '0'])];
  if (kind < 14)
    return ['context', 'groups', random.pick(GROUP_TYPES), random.pick(['group_name', 'cohort_ids'])];
  if (kind < 16)
    return ['context', 'groups', random.pick(GROUP_TYPES), 'group_properties', random.pick(NAMES)];
  if (kind < 20 && flagKeys.length > 0) {
    return ['result', random.pick(flagKeys), random.pick(['key', 'key', 'value', 'payload', 'metadata'])];
  }
  if (kind === 20) return ['context', 'user', 'cohort_ids'];
  if (kind === 21 && flagKeys.length > 0)
    return [
      'result',
      random.pick(flagKeys),
      'metadata',
      random.pick(['deployed', 'flagVersion', 'segmentName']),
    ];
  if (kind === 22) {
    return random.pick([
      ['context', 'user', 'groups', 'org'],
      ['context', 'user', '', 'plan'],
      ['context', 'user', 'user_properties'],
      ['context', 'groups', 'org'],
      ['context'],
      ['context', 'user'],
      ['nothing', 'here'],
      ['result'],
      [],
    ]);
  }
  return ['context', 'user', 'user_properties', 'plan'];
}

function condition(random, flagKeys) {
  const op = random.pick(OPERATORS);
  const path = selector(random, flagKeys);
  if (op.startsWith('regex')) return { selector: path, op, values: random.some(PATTERNS, 2) };
  let values = random.some(random.chance(0.1) ? [...TEXTS, 'c1', 'c2', 'g1', 'g2'] : TEXTS, 4);
  if (path[path.length - 1] === 'cohort_ids') values = random.some(['c1', 'c2', 'c3', 'g1', 'g2'], 2);
  if (random.chance(0.05)) {
    values = Array.from({ length: 40 }, (_, i) => `v${i}`).concat(values);
  }
  return { selector: path, op, values };
}

function bucket(random, variants) {
  const split = random.int(101);
  const cut = random.int(42949673);
  return {
    selector: random.pick([
      ['context', 'user', 'user_id'],
      ['context', 'user', 'device_id'],
      ['context', 'user', 'user_properties', random.pick(NAMES)],
      ['context', 'groups', 'org', 'group_name'],
    ]),
    ...(random.chance(0.95) ? { salt: `salt-${random.int(50)}` } : {}),
    allocations: [
      {
        range: [0, split],
        distributions: [
          { variant: random.pick(variants), range: [0, cut] },
          { variant: random.pick(variants), range: [cut, random.chance(0.9) ? 42949673 : 30000000] },
        ],
      },
      ...(random.chance(0.5)
        ? [
            {
              range: [random.int(100), 100],
              distributions: [{ variant: random.pick(variants), range: [0, 42949673] }],
            },
          ]
        : []),
    ],
  };
}

function metadata(random) {
  if (random.chance(0.2)) return random.pick([null, undefined]);
  const result = {};
  for (const name of random.some(
    ['deployed', 'flagVersion', 'segmentName', 'default', 'experimentKey', '1', 'x'],
    4,
  )) {
    result[name] = random.pick([true, false, 3, 'All Other Users', null, { deep: [1] }]);
  }
  return result;
}

function variants(random) {
  const result = {};
  for (const name of ['off', 'on', 'control', 'treatment'].slice(0, 2 + random.int(3))) {
    const variant = { key: name };
    const kind = random.int(5);
    if (kind === 0) variant.value = random.pick([true, 1.5, null, { b: 1, 2: [1, null] }, [1, 'x']]);
    else if (kind < 4) variant.value = name;
    if (random.chance(0.3)) variant.payload = random.pick([{ a: 1, b: { c: [1, 2] } }, [1], 'text', null, 5]);
    if (random.chance(0.5)) variant.metadata = metadata(random);
    if (random.chance(0.05)) variant.extra = 'kept';
    if (random.chance(0.05)) delete variant.key;
    result[name] = variant;
  }
  if (random.chance(0.3)) result.off = { key: 'off', metadata: { default: true } };
  return result;
}

function segment(random, names, flagKeys) {
  const result = {};
  if (random.chance(0.75)) {
    result.conditions = Array.from({ length: random.int(3) + (random.chance(0.9) ? 1 : 0) }, () =>
      Array.from({ length: random.int(3) }, () => condition(random, flagKeys)),
    );
  }
  if (random.chance(0.6)) result.bucket = bucket(random, names);
  if (random.chance(0.8)) result.variant = random.chance(0.95) ? random.pick(names) : 'missing';
  if (random.chance(0.5)) result.metadata = metadata(random);
  return result;
}

/** A list of flags as JSON can say them. Dependencies only point back, so that there is no cycle. */
function flags(random, count) {
  const keys = [];
  const list = [];
  for (let i = 0; i < count; i++) {
    const key = random.chance(0.1) ? String(random.int(30)) : `flag-${i}`;
    const all = variants(random);
    const names = Object.keys(all);
    const flag = {
      key,
      variants: all,
      segments: Array.from({ length: random.int(4) }, () => segment(random, names, keys)),
    };
    if (random.chance(0.7))
      flag.segments.push({ variant: 'off', metadata: { segmentName: 'All Other Users' } });
    const parents = keys.filter((other) => other !== key);
    if (random.chance(0.35) && parents.length > 0 && !keys.includes(key)) {
      flag.dependencies = random.some(random.chance(0.1) ? [...parents, 'missing'] : parents, 3);
    }
    if (random.chance(0.6)) flag.metadata = metadata(random);
    if (!keys.includes(key)) {
      keys.push(key);
      list.push(flag);
    }
  }
  // Flags that are given as `undefined` in places are flags without them: a row of docs/differences.md.
  return JSON.parse(JSON.stringify(list));
}

/** Some of the cohorts that conditions name: of users and of groups, with members among those that `user` makes. */
function cohorts(random) {
  const described = [
    ...['c1', 'c2', 'c3'].map((cohortId) => ({ cohortId, groupType: 'User' })),
    { cohortId: 'g1', groupType: random.pick(GROUP_TYPES) },
    { cohortId: 'g2', groupType: random.pick(['User', ...GROUP_TYPES]) },
  ];
  return described
    .filter(() => random.chance(0.7))
    .map((cohort) => {
      const names = cohort.groupType === 'User' ? TEXTS : GROUP_NAMES;
      const users = Array.from({ length: USERS }, (_, i) => `user-${i}`);
      const memberIds = new Set([...users, ...names].filter(() => random.chance(0.5)));
      return { ...cohort, groupTypeId: 0, lastComputed: 1, lastModified: 1, size: memberIds.size, memberIds };
    });
}

module.exports = { Random, flags, user, cohorts };
