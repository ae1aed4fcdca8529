'use strict';

/**
 * One call for every function and method that the native part gives to JavaScript, by the name of its point. In: what a call
 * needs. Out: calls that work, and that throw where their point is told to panic.
 */

const native = require('../../native/index.js');

const FLAGS = JSON.stringify({
  flag: { key: 'flag', variants: { on: { key: 'on', value: 'on' } }, segments: [{ variant: 'on' }] },
});
const SETTINGS = {
  apiKey: 'server-key',
  serverUrl: 'http://127.0.0.1:1',
  pollingIntervalMillis: 1000,
  streamUpdates: false,
  streamServerUrl: 'http://127.0.0.1:1',
  streamConnectTimeoutMillis: 1000,
  reportsFlags: false,
  streamsThroughAgent: false,
  isEu: false,
};
const FETCH = {
  apiKey: 'server-key',
  serverUrl: 'http://127.0.0.1:1',
  user: '{}',
  timeoutMillis: 100,
  retries: 0,
  backoffMinMillis: 0,
  backoffMaxMillis: 0,
  backoffScalar: 1,
};
const COHORT = { cohortId: 'c', groupType: 'User' };

const receive = () => {};
const localClient = () => {
  const client = new native.LocalClient(/** @type {any} */ (SETTINGS), receive);
  client.setFlags(FLAGS, client.flagsVersion);
  return client;
};

const local = localClient();
const remote = new native.RemoteClient(receive);
const view = local.view();
const codes = new Uint32Array(8);
const selection = view.select(undefined, codes);
const track = view.trackFunction(selection.id, codes);
/** No request and no stream has this number. */
const NOBODY = 2 ** 32 - 1;

/** @type {Record<string, () => unknown>} */
const CALLS = {
  'LocalClient.new': localClient,
  'LocalClient.start': () => local.start(),
  'LocalClient.rest': () => local.rest(),
  'LocalClient.stop': () => local.stop(),
  'LocalClient.view': () => local.view(),
  'LocalClient.flags_version': () => local.flagsVersion,
  'LocalClient.flags': () => local.flags(),
  'LocalClient.set_flags': () => local.setFlags(FLAGS, 1),
  'LocalClient.write_ahead': () => local.writeAhead(),
  'LocalClient.cohort_ids': () => local.cohortIds(),
  'LocalClient.cohort': () => local.cohort('c'),
  'LocalClient.cohort_members': () => local.cohortMembers('c'),
  'LocalClient.put_cohort': () => local.putCohort(COHORT, ['a']),
  'LocalClient.delete_cohort': () => local.deleteCohort('c'),
  'LocalClient.cohorts_with': () => local.cohortsWith('User', 'a', ['c']),
  'LocalClient.pending_events': () => local.pendingEvents,
  'LocalClient.flush': () => local.flush(10),
  'LocalClient.drain': () => local.drain(0),
  'LocalClient.close': () => local.close(10),
  'RemoteClient.new': () => new native.RemoteClient(receive),
  'RemoteClient.fetch': () => remote.fetch(FETCH),
  'RemoteClient.rest': () => remote.rest(),
  'View.capacity': () => view.capacity,
  'View.wide': () => view.wide,
  'View.renew': () => view.renew(),
  'View.hold': () => view.hold(),
  'View.counterparts': () => view.counterparts(view, codes),
  'View.keys': () => view.keys(selection.id, 0, 1),
  'View.prepare_tracking': () => view.prepareTracking(selection.id),
  'View.flag_key': () => view.flagKey(0),
  'View.unavailable': () => view.unavailable(),
  'View.select': () => view.select(undefined, codes),
  'View.outcome': () => view.outcome(1),
  'View.track_function': () => view.trackFunction(selection.id, codes),
  evaluate: () => selection.evaluate(),
  track: () => track(3 | (2 << 2), 'u'),
  cohort_ids: () => native.cohortIds(FLAGS),
  cookie_name: () => native.cookieName('0123456789', true),
  cookie_parse: () => native.cookieParse('a.b.c'),
  cookie_decode: () => native.cookieDecode('e30='),
  cookie_encode: () => native.cookieEncode('{}'),
  cookie_generate: () => native.cookieGenerate('device'),
  settle_request: () => native.settleRequest(NOBODY, 200),
  stream_opened: () => native.streamOpened(NOBODY),
  stream_data: () => native.streamData(NOBODY, '[]'),
  stream_bytes: () => native.streamBytes(NOBODY, Buffer.from('[]')),
  stream_failed: () => native.streamFailed(NOBODY, 500, 'no'),
  drain_events: () => native.drainEvents(0),
  'a text is read': () => native.cookieGenerate('device'),
  'a text is made': () => native.cookieGenerate('device'),
};

module.exports = { CALLS };
