'use strict';

/**
 * The contract's worked examples (analytics 4.6), from the evaluation to the server: flags that give the results of each
 * are evaluated by upstream and by this package, and what the two servers receive is what the example says.
 */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { bootstrapOf, emulated, essence, pipeline, tracking } = require('./support/tracked');

const U = { user_id: 'user-1', device_id: 'device-1' };
const ON = { key: 'on' };
const meta = (metadata, variant = ON) => ({ ...variant, metadata });
const MUTEX = { flagType: 'mutual-exclusion-group' };

/** Number, user, results, and of each exposure the ids and the hash. */
const EXPOSURES = [
  ['1', U, { 'flag-1': ON }, [`user-1 device-1 1338133142`]],
  ['2', { user_id: 'user-1' }, { 'flag-1': ON }, ['user-1 undefined 1415884880']],
  ['3', { device_id: 'device-1' }, { 'flag-1': ON }, ['undefined device-1 -1217619609']],
  [
    '4',
    { user_id: '  user-1\t', device_id: '\u00a0device-1\ufeff' },
    { ' flag-1 ': { key: ' on ' } },
    ['  user-1\t \u00a0device-1\ufeff -1674447690'],
  ],
  [
    '5',
    U,
    { b: ON, a: meta({ default: true }, { key: 'off' }), c: meta({ trackExposure: false }, { key: 'x' }) },
    ['user-1 device-1 1650641765'],
  ],
  [
    '6',
    U,
    { mx: meta(MUTEX, { key: 'slot-1' }), hold: meta({ flagType: 'holdout-group' }, { key: 'holdout' }) },
    ['user-1 device-1 1098777745', 'user-1 device-1 -721467483'],
  ],
  ['7', U, { 'flag-1': { value: 'v-only' } }, ['user-1 device-1 1360933061']],
  ['8', U, { 'flag-1': { key: '', value: '', metadata: {} } }, ['user-1 device-1 1360933061']],
  [
    '9',
    U,
    { 'flag-1': meta({ experimentKey: 'exp-9', trackExposure: null, default: false }) },
    ['user-1 device-1 1338133142'],
  ],
  ['10', { user_id: 42, device_id: null }, { 'flag-1': ON }, ['42 null 935318943']],
  [
    '11',
    { user_id: 'u', groups: { org: ['acme', 'b'], team: [] } },
    { 'flag-1': ON },
    ['u undefined 2124921590'],
  ],
  [
    '12',
    { user_id: 'u' },
    { b: { key: '1' }, 10: { key: '2' }, a: { key: '3' }, 9: { key: '4' }, B: { key: '5' } },
    [
      'u undefined 1715372054',
      'u undefined 1310640368',
      'u undefined -1307783155',
      'u undefined -1338802962',
      'u undefined 1994550317',
    ],
  ],
  [
    '13',
    { user_id: 'u' },
    { '～': { key: 'k' }, '😀': { key: 'k' } },
    ['u undefined 1974647542', 'u undefined 2050252049'],
  ],
  ['14', { user_id: 'u\u0085', device_id: '\u200bd' }, { f: ON }, ['u\u0085 \u200bd 2439414']],
  ['15', {}, { f: ON }, ['undefined undefined -394663507']],
  [
    '17',
    U,
    { 'flag-1': { value: { a: 1 } }, 'flag-2': { value: 0 } },
    ['user-1 device-1 1360933061', 'user-1 device-1 363860708'],
  ],
  ['18', { user_id: 'ユーザー', device_id: 'd😀' }, { フラグ: { key: 'オン' } }, ['ユーザー d😀 -619310310']],
  ['19, first', { user_id: 'a b' }, { f: ON }, ['a b undefined 1661155742']],
  ['19, second', { user_id: 'a', device_id: 'b' }, { f: ON }, ['a b -2100534736']],
  [
    '20',
    U,
    {
      'flag-1': meta({ default: 'false' }),
      'flag-2': meta({ trackExposure: 'false' }),
      'flag-3': meta({ trackExposure: 0 }),
    },
    ['user-1 device-1 1188124058'],
  ],
  ['21', { user_id: { a: 1 }, device_id: [1, 'x'] }, { f: ON }, ['[object Object] 1,x -367620094']],
];

const ASSIGNMENTS = [
  [
    'A1',
    U,
    {
      'flag-1': meta({ flagVersion: 7, segmentName: 'All Other Users' }),
      'flag-2': meta({ default: true, flagVersion: 1, segmentName: 'Seg' }, { key: 'off' }),
      mx: meta({ ...MUTEX, flagVersion: 2, segmentName: 's' }, { key: 'slot-1' }),
      nk: { value: 'x' },
      ts: meta({ trackExposure: false }),
    },
    'user-1 device-1 1045684227',
    {
      event_properties: {
        'flag-1.variant': 'on',
        'flag-1.details': 'v7 rule:All Other Users',
        'flag-2.variant': 'off',
        'flag-2.details': 'v1 rule:Seg',
        'mx.variant': 'slot-1',
        'mx.details': 'v2 rule:s',
        'ts.variant': 'on',
      },
      user_properties: {
        $set: { '[Experiment] flag-1': 'on', '[Experiment] ts': 'on' },
        $unset: { '[Experiment] flag-2': '-' },
      },
    },
  ],
  [
    'A2',
    { user_id: 'u' },
    { f: { value: 'only' } },
    'u undefined 113461',
    { event_properties: {}, user_properties: { $set: {}, $unset: {} } },
  ],
  [
    'A3',
    { user_id: ' u ' },
    { f: meta({ flagVersion: 0, segmentName: 'S' }) },
    ' u  undefined 1392088402',
    {
      event_properties: { 'f.variant': 'on' },
      user_properties: { $set: { '[Experiment] f': 'on' }, $unset: {} },
    },
  ],
];

const flagsOf = (results) =>
  Object.entries(results).map(([key, variant]) => ({
    key,
    variants: { given: variant },
    segments: [{ variant: 'given' }],
  }));

/** What a package's server receives of one evaluation. */
async function received(t, library, which, user, results, count) {
  const emulator = await emulated(t);
  const config = { bootstrap: bootstrapOf(flagsOf(results)), [which]: pipeline(emulator) };
  const client = tracking(t, library, undefined, config);
  client.evaluateV2(structuredClone(user), undefined, { tracksExposure: true });
  return emulator.waitForEvents(count, 20_000);
}

const day = (event) => Math.floor(event.time / 86_400_000);

for (const [number, user, results, ids] of EXPOSURES) {
  test(`example ${number}: the server receives these exposures`, async (t) => {
    const [theirs, our] = await Promise.all(
      [upstream, ours].map((library) => received(t, library, 'exposureConfig', user, results, ids.length)),
    );
    t.deepEqual(
      our.map((event) => event.insert_id),
      our.map((event, index) => `${ids[index]} ${day(event)}`),
    );
    t.is(our.length, ids.length);
    if (our.every((event, index) => day(event) === day(theirs[index])))
      t.deepEqual(our.map(essence).sort(), theirs.map(essence).sort());
  });
}

for (const [number, user, results, id, expected] of ASSIGNMENTS) {
  test(`example ${number}: the server receives this assignment`, async (t) => {
    const [[theirs], [our]] = await Promise.all(
      [upstream, ours].map((library) => received(t, library, 'assignmentConfig', user, results, 1)),
    );
    t.is(our.insert_id, `${id} ${day(our)}`);
    const { event_properties, user_properties } = our;
    t.deepEqual({ event_properties, user_properties }, expected);
    if (day(our) === day(theirs)) t.is(essence(our), essence(theirs));
  });
}
