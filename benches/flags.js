'use strict';

/**
 * Flags and a user as real projects have them: property and group conditions, rollouts, versions, a few
 * dependencies, an "all other users" segment at the end of each. Of targeted flags, every third asks for a cohort.
 */

const COHORTS = Array.from({ length: 20 }, (_, i) => `cohort-${i}`);

/**
 * @param {number} count
 */
function realisticFlags(count) {
  return Array.from({ length: count }, (_, i) => flag(i));
}

/**
 * The same, every third with a segment for a cohort besides: see {@link storeCohorts}.
 * @param {number} count
 * @param {string[]} [others] cohorts that each of these segments asks for too
 */
function targetedFlags(count, others = []) {
  return realisticFlags(count).map((flag, i) => {
    if (i % 3 !== 0) return flag;
    const [inclusions, ...rest] = flag.segments;
    const cohort = {
      conditions: [
        [condition(['user', 'cohort_ids'], 'set contains any', [COHORTS[i % COHORTS.length], ...others])],
      ],
      metadata: { segmentName: 'Cohort' },
      variant: 'treatment',
    };
    return { ...flag, segments: [inclusions, cohort, ...rest] };
  });
}

/**
 * The same, without what not every product has: dependencies of flags on others, payloads.
 * @param {number} count
 */
function portableFlags(count) {
  return realisticFlags(count).map(({ dependencies: _, ...flag }) => {
    const { payload: __, ...treatment } = /** @type {any} */ (flag.variants.treatment);
    return {
      ...flag,
      variants: { ...flag.variants, treatment },
      segments: flag.segments.map((segment) => ({
        ...segment,
        ...(segment.conditions
          ? { conditions: segment.conditions.map((/** @type {any[]} */ all) => all.map(portable)) }
          : {}),
      })),
    };
  });
}

/** @param {ReturnType<typeof condition>} asked */
function portable(asked) {
  return asked.selector[0] === 'result' ? condition(['user', 'platform'], 'is', ['Android']) : asked;
}

/**
 * Puts the cohorts of {@link targetedFlags} into a client. No user of ours is in one.
 * @param {any} client
 */
function storeCohorts(client) {
  const memberIds = Array.from({ length: 1000 }, (_, i) => `member-${i}`);
  for (const cohortId of COHORTS) storeCohort(client, cohortId, new Set(memberIds));
}

/**
 * @param {any} client
 * @param {string} cohortId
 * @param {Set<string>} memberIds
 */
function storeCohort(client, cohortId, memberIds) {
  client.cohortStorage.put({ cohortId, groupType: 'User', lastModified: 1, size: memberIds.size, memberIds });
}

/** @param {number} i */
function flag(i) {
  const key = `flag-${i}`;
  return {
    key,
    metadata: {
      deployed: true,
      evaluationMode: 'local',
      experimentKey: i % 2 ? `exp-${i}` : undefined,
      flagType: i % 2 ? 'experiment' : 'release',
      flagVersion: i + 1,
    },
    ...(i % 10 === 9 ? { dependencies: [`flag-${i - 1}`] } : {}),
    variants: {
      off: { key: 'off', metadata: { default: true } },
      control: { key: 'control', value: 'control' },
      treatment: {
        key: 'treatment',
        value: 'treatment',
        ...(i % 5 === 0 ? { payload: { color: 'blue', size: i, steps: [1, 2, 3] } } : {}),
      },
    },
    segments: segments(i),
  };
}

/** @param {number} i */
function segments(i) {
  const first = CONDITIONS[i % CONDITIONS.length](i);
  const second = CONDITIONS[(i + 3) % CONDITIONS.length](i);
  const salt = `salt${i}`;
  const selector = ['context', 'user', i % 3 ? 'user_id' : 'device_id'];
  const testers = Array.from({ length: 8 }, (_, n) => `tester-${i}-${n}`);
  return [
    {
      conditions: [
        [condition(['user', 'user_id'], 'is', testers)],
        [condition(['user', 'device_id'], 'is', testers)],
      ],
      metadata: { segmentName: 'Individual Inclusions' },
      variant: 'treatment',
    },
    { conditions: [[first], [second]], metadata: { segmentName: 'Targeted' }, variant: 'treatment' },
    {
      metadata: { segmentName: 'All Other Users' },
      bucket: {
        selector,
        salt,
        allocations: [
          {
            range: [0, 80],
            distributions: [
              { variant: 'control', range: [0, 21474837] },
              { variant: 'treatment', range: [21474837, 42949673] },
            ],
          },
        ],
      },
      variant: 'off',
    },
  ];
}

/** @type {((i: number) => object)[]} */
const CONDITIONS = [
  (i) => condition(['user', 'user_properties', 'plan'], 'is', ['enterprise', `tier-${i}`]),
  (i) => condition(['user', 'country'], 'is not', ['United States', `Land ${i}`]),
  (i) => condition(['user', 'user_properties', 'age'], 'greater', [String(40 + i)]),
  () => condition(['user', 'version'], 'version greater or equal', ['9.1.0']),
  (i) => condition(['user', 'user_properties', 'email'], 'contains', ['@amplitude.com', `@corp-${i}.com`]),
  (i) => condition(['user', 'user_properties', 'tags'], 'set contains any', ['beta', `tag-${i}`]),
  (i) => condition(['groups', 'org', 'group_name'], 'is', ['globex', `org-${i}`]),
  () => condition(['user', 'language'], 'is', ['de', 'fr', 'it']),
  (i) => condition(['user', 'user_properties', `p${i % 6}`], 'is', [`value-${i}`]),
  (i) =>
    i % 10 === 9
      ? { selector: ['result', `flag-${i - 1}`, 'key'], op: 'is', values: ['never'] }
      : condition(['user', 'platform'], 'is', ['Android']),
];

/**
 * @param {string[]} path
 * @param {string} op
 * @param {string[]} values
 */
function condition(path, op, values) {
  return { selector: ['context', ...path], op, values };
}

/** @param {number} i */
function realisticUser(i) {
  return {
    user_id: `user-${i}`,
    device_id: `f47ac10b-58cc-4372-a567-${String(i).padStart(12, '0')}`,
    country: 'United States',
    language: 'en',
    platform: 'iOS',
    version: '8.14.2',
    user_properties: {
      plan: 'pro',
      age: 31,
      email: `user-${i}@example.com`,
      tags: ['alpha', 'internal'],
      premium: true,
      p0: 'a',
      p1: 'b',
      p2: 'c',
      p3: 'd',
      p4: 'e',
      p5: 'f',
    },
    groups: { org: ['acme'] },
  };
}

/**
 * Users of whom each condition of the first thirty flags holds for some, and does not for others.
 * @param {number} i
 */
function variedUser(i) {
  /** @param {number} prime @param {string[]} values */
  const pick = (prime, values) => values[Math.floor(i / prime) % values.length];
  const user = realisticUser(i);
  return {
    ...user,
    // One of ten is an individual inclusion by the one id or the other.
    user_id: i % 20 === 0 ? `tester-${(i / 20) % 30}-${i % 8}` : user.user_id,
    device_id: i % 20 === 10 ? `tester-${((i - 10) / 20) % 30}-${i % 8}` : user.device_id,
    country: pick(2, ['United States', 'Land 1', 'Germany', 'Land 11']),
    language: pick(3, ['en', 'de', 'es', 'it']),
    platform: pick(5, ['iOS', 'Android', 'Web']),
    version: pick(7, ['8.14.2', '9.1.0', '10.0.1', '9.0.9']),
    user_properties: {
      ...user.user_properties,
      plan: pick(11, ['pro', 'enterprise', 'tier-10', 'free']),
      age: 20 + (i % 61),
      email: `user-${i}@${pick(13, ['example.com', 'amplitude.com', 'corp-4.com', 'corp-14.com'])}`,
      tags: [pick(17, ['alpha', 'beta', 'tag-5']), pick(19, ['internal', 'tag-15', 'tag-25'])],
      p0: pick(23, ['a', 'value-18']),
      p1: pick(31, ['b', 'value-25']),
      p2: pick(37, ['c', 'value-8']),
      p3: pick(41, ['d', 'value-15']),
      p4: pick(43, ['e', 'value-28']),
      p5: pick(47, ['f', 'value-5']),
    },
    groups: { org: [pick(29, ['acme', 'globex', 'org-6', 'org-16'])] },
  };
}

module.exports = {
  realisticFlags,
  targetedFlags,
  portableFlags,
  storeCohorts,
  storeCohort,
  realisticUser,
  variedUser,
};
