'use strict';

/** The event endpoints: what an upload holds, and whether it is taken. */

const { answer } = require('./answer');

/** @typedef {import('./index').RecordedRequest} RecordedRequest */

/**
 * Reads the events of an upload into its record. An unreadable body has none.
 * @param {RecordedRequest} record
 */
function readEvents(record) {
  const upload = parsed(record.body);
  if (upload && Array.isArray(upload.events)) record.events = upload.events;
}

/**
 * Answers an upload as Amplitude does.
 * @param {RecordedRequest} record
 * @param {string | undefined} apiKey
 */
function takeEvents(record, apiKey) {
  const upload = parsed(record.body);
  if (!upload) return refusal('Invalid request body');
  if (!upload.api_key) return refusal('Request missing required field', { missing_field: 'api_key' });
  if (!record.events) return refusal('Request missing required field', { missing_field: 'events' });
  // The key itself stays out of the message: answers end up in logs.
  if (apiKey !== undefined && upload.api_key !== apiKey)
    return refusal('Invalid API key: not the one of this emulator');
  record.taken = true;
  return answer(200, {
    code: 200,
    events_ingested: record.events.length,
    payload_size_bytes: Buffer.byteLength(record.body),
    server_upload_time: Date.now(),
  });
}

/**
 * @param {string} error
 * @param {object} [more]
 */
function refusal(error, more = {}) {
  return answer(400, { code: 400, error, ...more });
}

/**
 * @param {string} text
 * @returns {any} undefined when it is not a JSON object
 */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (_malformed) {
    return undefined;
  }
}

module.exports = { readEvents, takeEvents };
