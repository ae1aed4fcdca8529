'use strict';

/**
 * The server of the sync bench, in a process of its own so that its work is not in the measured event loop. It tells
 * its parent where it is, and serves other flags when it is told to.
 */

const crypto = require('node:crypto');
const { Emulator } = require('../../emulator');
const { cohortFlag } = require('./flags');

const { kind, count } = JSON.parse(process.argv[2]);

main();

async function main() {
  const emulator = await Emulator.start({
    flags: [cohortFlag('big')],
    cohorts: [{ cohortId: 'big', ...members() }],
    historyLimit: 100,
    gzip: false,
  });
  process.on('message', (/** @type {any} */ flags) => {
    emulator.setFlags(flags);
    process.send?.('done');
  });
  process.on('disconnect', () => process.exit());
  process.send?.(emulator.url);
}

function members() {
  // More than a list can hold in memory: computed while they are sent.
  if (kind === 'generated') return { generate: { count } };
  const member = kind === 'uuid' ? () => crypto.randomUUID() : fifteen;
  const memberIds = Array.from({ length: count }, member);
  // Those that the measured process asks for.
  memberIds[0] = 'member-of-it-00';
  return { memberIds };
}

/** Fifteen characters in which there is no order. */
function fifteen() {
  return crypto.randomBytes(12).toString('base64url').slice(0, 15);
}
