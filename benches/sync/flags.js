'use strict';

const { realisticFlags } = require('../flags');

/**
 * A flag that is on for a cohort.
 * @param {string} cohortId
 * @param {string} [key]
 */
function cohortFlag(cohortId, key = 'cohort-flag') {
  const member = {
    op: 'set contains any',
    selector: ['context', 'user', 'cohort_ids'],
    values: [cohortId],
  };
  return {
    key,
    metadata: { deployed: true, evaluationMode: 'local', flagVersion: 1 },
    variants: { on: { key: 'on', value: 'on' }, off: { key: 'off', metadata: { default: true } } },
    segments: [
      { conditions: [[member]], metadata: { segmentName: 'Cohort' }, variant: 'on' },
      { metadata: { segmentName: 'All Other Users' }, variant: 'off' },
    ],
  };
}

/**
 * Realistic flags of some version.
 * @param {number} count
 * @param {number} version
 */
function flagsOfVersion(count, version) {
  return realisticFlags(count).map((flag) => ({
    ...flag,
    metadata: { ...flag.metadata, flagVersion: version },
  }));
}

module.exports = { cohortFlag, flagsOfVersion };
