'use strict';

/**
 * Remote evaluation for the emulator: the package's own engine, loaded when first needed, so that everything else works where the
 * native addon has not been built.
 */

const { membersOf } = require('./cohorts');

/**
 * @typedef {import('./world').World} World
 * @typedef {import('./cohorts').StoredCohort} StoredCohort
 */

class Evaluator {
  constructor() {
    /** @type {{ flags: any[], cohorts: StoredCohort[], client: any } | undefined} */
    this.prepared = undefined;
  }

  /**
   * @param {World} world
   * @param {any} user
   * @param {string[] | undefined} flagKeys
   * @returns {Record<string, unknown>} variants, default ones included
   */
  evaluate(world, user, flagKeys) {
    return this.clientOf(world).evaluateV2(user, flagKeys && flagKeys.length > 0 ? flagKeys : undefined);
  }

  /**
   * The client of the present flags and cohorts; a new one when they have changed.
   * @param {World} world
   */
  clientOf(world) {
    const cohorts = [...world.cohorts.values()];
    const { prepared } = this;
    const isCurrent =
      prepared &&
      prepared.flags === world.flags &&
      prepared.cohorts.length === cohorts.length &&
      prepared.cohorts.every((cohort, i) => cohort === cohorts[i]);
    if (prepared && isCurrent) return prepared.client;
    const { LocalEvaluationClient } = require('..');
    const usable = world.flags.filter((flag) => flag && typeof flag.key === 'string');
    const client = new LocalEvaluationClient('emulator', {
      bootstrap: Object.fromEntries(usable.map((flag) => [flag.key, flag])),
    });
    for (const cohort of cohorts) client.cohortStorage.put({ ...cohort, memberIds: membersOf(cohort) });
    this.prepared = { flags: world.flags, cohorts, client };
    return client;
  }
}

module.exports = { Evaluator };
