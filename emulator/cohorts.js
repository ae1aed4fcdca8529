'use strict';

/**
 * Cohorts, stated or generated. A generated one is never held in memory: its members are computed while they are sent, so
 * that cohorts of tens of millions can be served.
 */

/**
 * @typedef {import('./index').Cohort} Cohort
 * @typedef {import('./index').Generate} Generate
 *
 * @typedef {object} StoredCohort
 * @property {string} cohortId
 * @property {string} groupType
 * @property {number} groupTypeId
 * @property {number} lastComputed
 * @property {number} lastModified
 * @property {number} size
 * @property {unknown} [memberIds] stated members, of whatever type the test wants to serve
 * @property {Required<Generate>} [generate]
 */

/** Characters of a piece of a generated body. */
const PIECE = 64 * 1024;
/** The digits of a generated id that count up, and so make it unique. */
const COUNTER_DIGITS = 8;

/**
 * @param {any} cohort
 * @returns {StoredCohort}
 */
function parseCohort(cohort) {
  if (typeof cohort !== 'object' || cohort === null) throw new TypeError('a cohort must be an object');
  const { cohortId, memberIds, generate } = cohort;
  if (typeof cohortId !== 'string') throw new TypeError('"cohortId" must be a string');
  if ((memberIds === undefined) === (generate === undefined)) {
    throw new TypeError(`cohort "${cohortId}" must have either "memberIds" or "generate"`);
  }
  const lastModified = cohort.lastModified === undefined ? 1 : cohort.lastModified;
  return {
    cohortId,
    groupType: cohort.groupType === undefined ? 'User' : cohort.groupType,
    groupTypeId: cohort.groupTypeId === undefined ? 0 : cohort.groupTypeId,
    lastComputed: cohort.lastComputed === undefined ? lastModified : cohort.lastComputed,
    lastModified,
    size: cohort.size === undefined ? countOf(memberIds, generate) : cohort.size,
    ...(generate === undefined ? { memberIds } : { generate: parseGenerate(generate) }),
  };
}

/**
 * @param {any} generate
 * @returns {Required<Generate>}
 */
function parseGenerate(generate) {
  const { count, kind = 'digits', length = 15, seed = 0 } = generate;
  if (!Number.isSafeInteger(count) || count < 0 || count >= 10 ** COUNTER_DIGITS) {
    throw new TypeError(`"generate.count" must be a whole number below ${10 ** COUNTER_DIGITS}`);
  }
  if (kind !== 'digits' && kind !== 'uuid') throw new TypeError('"generate.kind" must be "digits" or "uuid"');
  if (!Number.isSafeInteger(length) || length < COUNTER_DIGITS || length > COUNTER_DIGITS + 9) {
    throw new TypeError(`"generate.length" must be from ${COUNTER_DIGITS} to ${COUNTER_DIGITS + 9}`);
  }
  return { count, kind, length, seed };
}

/**
 * @param {unknown} memberIds
 * @param {any} generate
 * @returns {number}
 */
function countOf(memberIds, generate) {
  if (generate !== undefined) return generate.count;
  return Array.isArray(memberIds) ? memberIds.length : 0;
}

/**
 * The member of a generated cohort at an index. Members are unique and come in no order.
 * @param {Generate} generate
 * @param {number} index
 * @returns {string}
 */
function generatedMember(generate, index) {
  const { kind, length, seed } = parseGenerate(generate);
  return memberAt(kind, length, seed, index);
}

/**
 * @param {'digits' | 'uuid'} kind
 * @param {number} length
 * @param {number} seed
 * @param {number} index
 */
function memberAt(kind, length, seed, index) {
  const first = scramble(index ^ Math.imul(seed, 0x9e3779b9));
  if (kind === 'digits') {
    const lead = length - COUNTER_DIGITS;
    const head = lead === 0 ? '' : String(first % 10 ** lead).padStart(lead, '0');
    return head + String(index).padStart(COUNTER_DIGITS, '0');
  }
  const second = scramble(first + 1);
  const third = scramble(second + 1);
  const [a, b, c] = [first, second, third].map((part) => part.toString(16).padStart(8, '0'));
  // The last eight digits are the index: that alone makes the id unique.
  const d = index.toString(16).padStart(8, '0');
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
}

/**
 * Mixes the bits of a whole number (the finaliser of MurmurHash3).
 * @param {number} value
 * @returns {number} unsigned, 32 bits
 */
function scramble(value) {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The response body of a cohort, piece by piece when it is generated.
 * @param {StoredCohort} cohort
 * @returns {Buffer | AsyncIterable<Buffer>}
 */
function cohortBody(cohort) {
  const { generate, ...rest } = cohort;
  return generate ? generatedBody(rest, generate) : Buffer.from(JSON.stringify(rest));
}

/**
 * @param {object} rest
 * @param {Required<Generate>} generate
 */
async function* generatedBody(rest, generate) {
  const { count, kind, length, seed } = generate;
  let piece = `${JSON.stringify(rest).slice(0, -1)},"memberIds":[`;
  for (let index = 0; index < count; index++) {
    piece += `${index === 0 ? '' : ','}"${memberAt(kind, length, seed, index)}"`;
    if (piece.length >= PIECE) {
      yield Buffer.from(piece);
      piece = '';
    }
  }
  yield Buffer.from(`${piece}]}`);
}

/**
 * All members, for evaluating remotely.
 * @param {StoredCohort} cohort
 * @returns {Set<string>}
 */
function membersOf(cohort) {
  const { generate, memberIds } = cohort;
  if (!generate) return new Set(Array.isArray(memberIds) ? memberIds : []);
  const { count, kind, length, seed } = generate;
  const members = new Set();
  for (let index = 0; index < count; index++) members.add(memberAt(kind, length, seed, index));
  return members;
}

module.exports = { parseCohort, cohortBody, generatedMember, membersOf };
