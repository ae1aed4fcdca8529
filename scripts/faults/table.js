'use strict';

/**
 * The table of faults: what goes wrong, and the end state that each endpoint must reach from it, at start, in steady state
 * and at stop. Nothing is run here.
 *
 * @typedef {'flags' | 'vardata' | 'cohort' | 'stream' | 'events'} Endpoint
 * @typedef {'start' | 'steady' | 'stop'} Phase
 * @typedef {'server' | 'unknown' | 'elsewhere' | 'expired' | 'none'} Identity
 *
 * @typedef {object} Fault
 * @property {string} name
 * @property {import('../../emulator').Failure} [failure] what the emulator does
 * @property {'refused' | 'dns'} [special] what is no answer of the emulator's
 * @property {Identity} [identity] what a server under TLS shows instead of a certificate of its own
 * @property {boolean} [heavy] so large that few may run at once
 * @property {Record<Endpoint, string>} meets how a request ends: `OK`, or the code of its error
 */

/** A body larger than what is held in memory, which is 64 MiB. */
const GIGANTIC = 96 * 2 ** 20;

const OK = 'OK';

/**
 * @param {string} code of every endpoint, but for those that are stated
 * @param {Partial<Record<Endpoint, string>>} [other]
 * @returns {Record<Endpoint, string>}
 */
function all(code, other = {}) {
  return { flags: code, vardata: code, cohort: code, stream: code, events: code, ...other };
}

/** Events are taken before the answer goes wrong, or their answer's body does not matter. */
const TAKEN = 'OK';
/** A refusal that no repetition changes. */
const DROPPED = 'dropped';

/** A 200 whose body is not read, by a server that has taken nothing. */
const UNREAD = 'unread';

/** @param {number} code */
const status = (code) =>
  // One event that is too large will never be less so.
  all(String(code), { events: code === 413 ? DROPPED : String(code) });

/** @type {Fault[]} */
const FAULTS = [
  { name: 'connection refused', special: 'refused', meets: all('ECONNREFUSED') },
  { name: 'closed before the headers', failure: { kind: 'close' }, meets: all('ECONNRESET') },
  { name: 'reset before the headers', failure: { kind: 'reset' }, meets: all('ECONNRESET') },
  { name: 'reset in the headers', failure: { kind: 'reset-in-headers' }, meets: all('ECONNRESET') },
  {
    name: 'reset after the headers',
    failure: { kind: 'cut', afterBytes: 0, reset: true },
    meets: all('ECONNRESET', { events: 'taken, told twice' }),
  },
  {
    name: 'reset in the body',
    failure: { kind: 'cut', afterBytes: 8, reset: true },
    meets: all('ECONNRESET', { events: 'taken, told twice' }),
  },
  {
    name: 'closed in the body',
    failure: { kind: 'cut', afterBytes: 8 },
    meets: all('ECONNRESET', { events: 'taken, told twice' }),
  },
  {
    name: 'slow drip',
    failure: { kind: 'drip', everyMillis: 100 },
    // A cohort is given time as long as its bytes come.
    meets: all('ETIMEDOUT', { cohort: OK, events: TAKEN }),
  },
  {
    name: 'stalled body',
    failure: { kind: 'stall' },
    meets: all('ETIMEDOUT', { events: 'taken, told twice' }),
  },
  { name: 'silence', failure: { kind: 'silence' }, meets: all('ETIMEDOUT') },
  {
    name: 'Content-Length too small',
    failure: { kind: 'wrong-length', by: -5 },
    meets: all('not JSON', { stream: 'ended', events: TAKEN }),
  },
  {
    name: 'Content-Length too large',
    failure: { kind: 'wrong-length', by: 10 },
    // The connection stays open: what is missing might still come.
    meets: all('ETIMEDOUT', { events: 'taken, told twice' }),
  },
  { name: 'wrong content type', failure: { kind: 'wrong-content-type' }, meets: all(OK) },
  { name: 'broken JSON', failure: { kind: 'wrong-json' }, meets: all('not JSON', { events: UNREAD }) },
  {
    name: 'JSON of a wrong type',
    failure: { kind: 'wrong-type' },
    // A text holds no variants, and is none the less an answer, as it is to upstream.
    meets: all('not as agreed', { vardata: 'empty', events: UNREAD }),
  },
  {
    name: 'gigantic body',
    failure: { kind: 'gigantic', bytes: GIGANTIC },
    heavy: true,
    meets: all('too large', { cohort: 'not as agreed', events: UNREAD }),
  },
  {
    name: 'gzip bomb',
    failure: { kind: 'gzip-bomb', bytes: GIGANTIC },
    heavy: true,
    meets: all('too large', { cohort: 'not as agreed', stream: 'ended', events: UNREAD }),
  },
  { name: '1xx before the answer', failure: { kind: 'informational', count: 3 }, meets: all(OK) },
  {
    name: 'redirect to itself',
    failure: { kind: 'redirect' },
    meets: all('302', { stream: 'ERR_TOO_MANY_REDIRECTS', events: '302' }),
  },
  { name: 'status 400', failure: { kind: 'status', status: 400, body: {} }, meets: status(400) },
  {
    name: 'status 400: the key is not valid',
    failure: { kind: 'status', status: 400, body: { code: 400, error: 'Invalid API key' } },
    meets: { ...status(400), events: DROPPED },
  },
  { name: 'status 401', failure: { kind: 'status', status: 401 }, meets: status(401) },
  { name: 'status 404', failure: { kind: 'status', status: 404 }, meets: status(404) },
  { name: 'status 413', failure: { kind: 'status', status: 413 }, meets: status(413) },
  { name: 'status 429', failure: { kind: 'status', status: 429 }, meets: status(429) },
  { name: 'status 500', failure: { kind: 'status', status: 500 }, meets: status(500) },
  { name: 'status 503', failure: { kind: 'status', status: 503 }, meets: status(503) },
  { name: 'TLS: unknown certificate', identity: 'unknown', meets: all('certificate') },
  {
    name: "TLS: another server's certificate",
    identity: 'elsewhere',
    meets: all('ERR_TLS_CERT_ALTNAME_INVALID'),
  },
  { name: 'TLS: expired certificate', identity: 'expired', meets: all('CERT_HAS_EXPIRED') },
  { name: 'TLS: no TLS', identity: 'none', meets: all('EPROTO') },
  { name: 'DNS: no such name', special: 'dns', meets: all('ENOTFOUND') },
];

/** @type {Endpoint[]} */
const ENDPOINTS = ['flags', 'vardata', 'cohort', 'stream', 'events'];
/** @type {Phase[]} */
const PHASES = ['start', 'steady', 'stop'];

/**
 * The end state of a cell, in the words of the scenarios.
 * @param {Fault} fault
 * @param {Endpoint} endpoint
 * @param {Phase} phase
 * @returns {string}
 */
function expected({ meets, special }, endpoint, phase) {
  const result = meets[endpoint];
  const lasting = special === 'dns';
  switch (`${endpoint} ${phase}`) {
    case 'flags start':
      if (result === OK) return 'starts';
      return lasting ? `start rejects: ${result}` : `start rejects: ${result}; the next start succeeds`;
    case 'flags steady':
      return result === OK ? 'updates' : 'keeps its flags; updates after recovery';
    case 'vardata start':
      return result === OK || lasting ? `fetch: ${result}` : `fetch: ${result}; the next succeeds`;
    case 'vardata steady':
      return result === OK || lasting ? `fetches: ${result}` : `fetches: ${result}; the next succeeds`;
    case 'vardata stop':
      return 'every fetch in flight settles';
    case 'cohort start':
      if (result === OK) return 'starts with the cohort';
      return lasting ? 'starts without the cohort' : 'starts without the cohort; has it after recovery';
    case 'cohort steady':
      if (result === OK) return 'the new cohort comes with its flags';
      return lasting
        ? 'new flags without the new cohort'
        : 'new flags, kept cohorts; the new cohort after recovery';
    case 'stream start':
      return result === OK ? 'starts by streaming, and updates' : 'starts by polling, and updates';
    case 'stream steady':
      if (lasting) return 'keeps its flags, falls back to polling, and updates';
      return result === OK
        ? 'streams again, and updates'
        : 'keeps its flags, falls back to polling, and updates';
    case 'events start':
    case 'events steady':
      if (result === DROPPED) return 'dropped with a log line; later events arrive';
      if (lasting) return 'kept and tried again';
      if (result === UNREAD) return 'a 200 counts as taken; later events arrive';
      return result.startsWith('taken') || result === OK ? 'taken' : 'kept; delivered after recovery';
    case 'events stop':
      return 'close ends in its time';
    default:
      return 'stops at once; nothing more is asked for or installed';
  }
}

module.exports = { ENDPOINTS, FAULTS, OK, PHASES, expected };
