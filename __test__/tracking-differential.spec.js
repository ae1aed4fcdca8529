'use strict';

/** What two servers receive of the same random evaluations, one from upstream and one from this package. */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { Random, flags, user } = require('./support/random');
const { bootstrapOf, emulated, essence, pipeline, tracking } = require('./support/tracked');

const ROUNDS = 8;
const EVALUATIONS = 300;

const seed = Number(process.env.EXPERIMENT_TEST_SEED || Date.now() % 1_000_000);

/** Metadata that tracking looks at, of every kind. */
const LOOKED_AT = {
  flagType: ['mutual-exclusion-group', 'holdout-group', 'experiment', 7, null],
  trackExposure: [true, false, null, 0, '', 'false', 'yes', {}],
  default: [true, false, null, 'false', 0, ''],
  experimentKey: ['exp', '', null, 5, { deep: [1] }, ['e']],
  flagVersion: [0, 1, 7, '3', null, 1.5],
  segmentName: ['All Other Users', '', null, 4, ['s', null], { s: 1 }],
};
const KEYS = [' on ', '', 'ключ', '\u00a0k\ufeff', 7, 0, true, null, ['a', null], { k: 1 }, 'a b'];
const FLAG_KEYS = ['7', '10', ' spaced ', 'フラグ', '😀', '～', 'a b', 'B'];

function metadata(random) {
  const found = {};
  for (const [name, values] of Object.entries(LOOKED_AT)) {
    if (random.chance(0.35)) found[name] = random.pick(values);
  }
  return found;
}

/** A flag that everybody has some variant of, with odd keys, values and metadata. */
function oddFlag(random, key) {
  const variant = { key: random.chance(0.5) ? 'on' : random.pick(KEYS), metadata: metadata(random) };
  if (random.chance(0.3)) delete variant.key;
  if (random.chance(0.5)) variant.value = random.pick(['v', '', 0, 5, { a: [1] }, ['x']]);
  if (random.chance(0.2)) delete variant.metadata;
  return {
    key,
    variants: { given: variant },
    segments: [{ variant: 'given', ...(random.chance(0.5) ? { metadata: metadata(random) } : {}) }],
    ...(random.chance(0.5) ? { metadata: metadata(random) } : {}),
  };
}

const IDS = [
  '',
  ' ',
  'a b',
  ' u\t',
  '\u00a0u\ufeff',
  'u\u0085',
  '\u200bu',
  'ユーザー',
  '😀',
  0,
  42,
  -0,
  1.5,
  true,
];
const ODDER_IDS = [null, [1, 'x'], [], { a: 1 }, [[null]], 1e21];

function oddUser(random) {
  const subject = user(random);
  for (const id of ['user_id', 'device_id']) {
    if (random.chance(0.3)) subject[id] = random.pick(random.chance(0.7) ? IDS : ODDER_IDS);
  }
  if (random.chance(0.1)) subject.groups = { team: [], 'org id': ['x', 'y'], länd: ['😀'] };
  return subject;
}

/** Flags as they come, and odd ones, some of them with dependents. */
function world(random) {
  const plain = flags(random, 8);
  const odd = Array.from({ length: 6 }, () => oddFlag(random, random.pick(FLAG_KEYS)));
  const known = new Set(plain.map((flag) => flag.key));
  const added = odd.filter((flag) => !known.has(flag.key) && known.add(flag.key));
  for (const flag of plain.slice(0, 3)) {
    flag.metadata = { ...flag.metadata, ...metadata(random) };
  }
  return [...plain, ...added];
}

test.serial('random tracked evaluations reach the server as upstream sends them', async (t) => {
  t.log(`EXPERIMENT_TEST_SEED=${seed}`);
  const random = new Random(seed);
  const dayOf = () => Math.floor(Date.now() / 86_400_000);
  const kinds = new Map();
  let compared = 0;
  let repeats = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const list = world(random);
    const servers = [await emulated(t), await emulated(t)];
    const [theirs, our] = [upstream, ours].map((library, index) =>
      tracking(t, library, pipeline(servers[index]), {
        bootstrap: bootstrapOf(list),
        assignmentConfig: pipeline(servers[index]),
      }),
    );
    const day = dayOf();
    const seen = [];
    for (let i = 0; i < EVALUATIONS; i++) {
      const isRepeat = seen.length > 0 && random.chance(0.2);
      const [subject, keys] = isRepeat
        ? random.pick(seen)
        : [
            oddUser(random),
            random.chance(0.6) ? undefined : [list[0].key, ...random.some(list, 3).map(({ key }) => key)],
          ];
      seen.push([subject, keys]);
      repeats += Number(isRepeat);
      const options = random.chance(0.8) ? { tracksExposure: true } : undefined;
      const outcomes = [theirs, our].map((client) => {
        try {
          return JSON.stringify(client.evaluateV2(structuredClone(subject), keys, options));
        } catch (error) {
          return error.constructor.name;
        }
      });
      t.is(outcomes[1], outcomes[0], `seed ${seed}, round ${round}, evaluation ${i}`);
    }
    await our.flush();
    const events = servers[1].events();
    await servers[0].waitForEvents(events.length, 60_000);
    // Upstream may still have some to send that are too many: it has the time that one more takes, and then some.
    const extra = servers[0].waitForEvents(events.length + 1, 300).catch(() => undefined);
    t.is(await extra, undefined, `seed ${seed}, round ${round}: upstream sends more`);
    if (dayOf() !== day) continue;
    t.deepEqual(
      events.map(essence).sort(),
      servers[0].events().map(essence).sort(),
      `seed ${seed}, round ${round}`,
    );
    compared += EVALUATIONS;
    for (const event of events) kinds.set(event.event_type, (kinds.get(event.event_type) || 0) + 1);
  }
  t.log(
    `${compared} evaluations, ${repeats} of them repeated; events: ${JSON.stringify(Object.fromEntries(kinds))}`,
  );
  t.true(compared >= 2000);
  t.true([...kinds.values()].every((count) => count > 500) && kinds.size === 2);
});
