'use strict';

/**
 * What Amplitude's servers answer on each endpoint. In: a recorded request and the world. Out: an answer; nothing is sent here, so
 * that faults can change any of it.
 */

const { answer } = require('./answer');
const { cohortBody } = require('./cohorts');
const { takeEvents } = require('./events');

/**
 * @typedef {import('./answer').Answer} Answer
 * @typedef {import('./answer').Exchange} Exchange
 * @typedef {import('./index').Endpoint} Endpoint
 *
 * @typedef {object} Served what the endpoints serve from
 * @property {import('./world').World} world
 * @property {import('./streams').Streams} streams
 * @property {import('./evaluator').Evaluator} evaluator
 */

const COHORT = '/sdk/v1/cohort/';

/** @type {Record<string, Endpoint>} */
const PATHS = {
  '/sdk/v2/flags': 'flags',
  '/sdk/v2/vardata': 'variants',
  '/sdk/stream/v1/flags': 'stream',
  '/2/httpapi': 'events',
  '/batch': 'batch',
};

/**
 * @param {string} url
 * @returns {Endpoint | null}
 */
function endpointOf(url) {
  const path = url.split('?', 1)[0];
  if (path.startsWith(COHORT)) return 'cohort';
  return Object.prototype.hasOwnProperty.call(PATHS, path) ? PATHS[path] : null;
}

/** @type {Record<Endpoint, (exchange: Exchange, served: Served) => Answer>} */
const ENDPOINTS = { flags, variants, cohort, stream, events, batch: events };

/**
 * @param {Exchange} exchange
 * @param {Served} served
 * @returns {Answer}
 */
function ordinaryAnswer(exchange, served) {
  const { endpoint } = exchange.record;
  if (endpoint === null) return answer(404, { code: 404, error: 'Not Found' });
  return ENDPOINTS[endpoint](exchange, served);
}

/**
 * @param {Exchange} exchange
 * @param {Served} served
 */
function flags({ record }, { world }) {
  return refused(record, world) || answer(200, world.flags);
}

/**
 * Remote evaluation, by the engine of this package.
 * @param {Exchange} exchange
 * @param {Served} served
 */
function variants({ record }, { world, evaluator }) {
  const refusal = refused(record, world);
  if (refusal) return refusal;
  if (record.user === undefined)
    return answer(400, { code: 400, error: 'X-Amp-Exp-User is missing or unreadable' });
  return answer(200, evaluator.evaluate(world, record.user, record.flagKeys));
}

/**
 * @param {Exchange} exchange
 * @param {Served} served
 */
function cohort({ record }, { world }) {
  if (world.apiKey !== undefined || world.secretKey !== undefined) {
    const expected = Buffer.from(`${world.apiKey}:${world.secretKey}`).toString('base64');
    if (record.headers.authorization !== `Basic ${expected}`) return answer(401, 'Unauthorized');
  }
  const found = world.cohorts.get(decoded(record.path.slice(COHORT.length)));
  if (!found) return answer(404, 'Cohort not found');
  if (found.size > Number(record.query.maxCohortSize)) return answer(413, 'Cohort too large');
  if (found.lastModified <= Number(record.query.lastModified)) return answer(204, '');
  return { status: 200, headers: { 'content-type': 'application/json' }, body: cohortBody(found) };
}

/**
 * @param {Exchange} exchange
 * @param {Served} served
 * @returns {Answer}
 */
function stream({ record, response }, { world, streams }) {
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
  return (
    refused(record, world) || { status: 200, headers, body: streams.add(response, world.flags), live: true }
  );
}

/**
 * @param {Exchange} exchange
 * @param {Served} served
 */
function events({ record }, { world }) {
  return takeEvents(record, world.apiKey);
}

/**
 * The answer to a request without the right deployment key, where the world has one.
 * @param {import('./index').RecordedRequest} record
 * @param {import('./world').World} world
 * @returns {Answer | undefined}
 */
function refused({ headers }, { deploymentKey }) {
  if (deploymentKey === undefined || headers.authorization === `Api-Key ${deploymentKey}`) return undefined;
  return answer(401, { code: 401, error: 'Invalid deployment key' });
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (_malformed) {
    return text;
  }
}

module.exports = { endpointOf, ordinaryAnswer };
