'use strict';

/**
 * Whether a peer really evaluates the rules that ours does: for thousands of different users, everybody whom a condition
 * decides gets the same variant, flag by flag; of those whom hashing decides, the same shares do.
 *
 * @typedef {import('./peer').Peer} Peer
 */

const { portableFlags, variedUser } = require('../flags');

const USERS = 3000;
/** Of all users, that shares may differ by: five standard deviations of a half of them. */
const TOLERANCE = (5 * 0.5) / Math.sqrt(USERS);
/** Flags, of which every kind of condition is in one. */
const FLAGS = 30;

/**
 * @param {Peer} ours
 * @param {Peer} peer
 * @returns {Promise<{ decided: number, shares: number }>} how many answers a condition decides, and by how much the
 * shares of a variant differ at most
 * @throws {Error} where they do not agree
 */
async function agreement(ours, peer) {
  const flags = portableFlags(FLAGS);
  const [us, them] = [await ours.open(flags), await peer.open(flags)];
  /** @type {Record<string, Record<string, number[]>>} */
  const counts = {};
  let decided = 0;
  for (let i = 0; i < USERS; i++) {
    const user = variedUser(i);
    const context = them.context(user);
    const theirs = them.variants(await them.all(context));
    for (const [key, variant] of Object.entries(us.all(us.context(user)))) {
      const { key: our, metadata } = /** @type {any} */ (variant);
      const their = theirs[key];
      if (metadata.segmentName !== 'All Other Users') {
        decided++;
        if (our !== their)
          throw disagreement(peer, `${key} is ${their} for user ${i}, and ${our} by its conditions`);
      }
      if (i < FLAGS) {
        const alone = them.variant(await them.one(context, key));
        if (alone !== their) throw disagreement(peer, `${key} is ${alone} alone and ${their} among all`);
      }
      const count = (counts[key] ||= {});
      for (const [index, each] of [our, their].entries()) (count[each] ||= [0, 0])[index]++;
    }
  }
  const close = them.close();
  await close;
  let shares = 0;
  for (const [key, count] of Object.entries(counts)) {
    for (const [variant, [our, their]] of Object.entries(count)) {
      const apart = Math.abs(our - their) / USERS;
      if (apart > TOLERANCE)
        throw disagreement(peer, `${key}: ${variant} for ${their} of ${USERS}, here for ${our}`);
      shares = Math.max(shares, apart);
    }
  }
  if (decided === 0) throw disagreement(peer, 'no condition decided anything');
  return { decided, shares };
}

/**
 * @param {Peer} peer
 * @param {string} what
 */
function disagreement({ name }, what) {
  return new Error(`${name} does not agree: ${what}`);
}

module.exports = { agreement };
