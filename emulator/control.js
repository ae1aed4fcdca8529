'use strict';

/**
 * The control endpoint, `/emulator/...`: what a test or a person does to a running emulator from another process. JSON in, JSON out.
 * Its requests are not recorded.
 */

/**
 * @typedef {import('./emulator').Emulator} Emulator
 * @typedef {import('http').IncomingMessage} IncomingMessage
 * @typedef {import('http').ServerResponse} ServerResponse
 *
 * @typedef {object} Call
 * @property {Emulator} emulator
 * @property {string | undefined} name what stands in the path after the subject
 * @property {URLSearchParams} query
 * @property {() => any} body reads the JSON body
 */

const PREFIX = '/emulator';

/** @type {Record<string, (call: Call) => unknown>} by method and subject; what they return is answered as JSON */
const ROUTES = {
  'GET ': ({ emulator }) => ({
    url: emulator.url,
    flags: emulator.flags.map((flag) => flag && flag.key),
    cohorts: [...emulator.world.cohorts.keys()],
    openStreams: emulator.openStreams,
    requests: emulator.requests.length,
    events: emulator.events().length,
    failures: emulator.failures.describe(),
  }),

  'GET flags': ({ emulator }) => emulator.flags,
  'PUT flags': ({ emulator, name, body }) => {
    if (name === undefined) emulator.setFlags(body());
    else emulator.setFlag({ ...body(), key: name });
  },
  'DELETE flags': ({ emulator, name }) => {
    if (name === undefined) emulator.setFlags([]);
    else if (!emulator.removeFlag(name)) throw new MissingError(`no flag "${name}"`);
  },

  'PUT cohorts': ({ emulator, name, body }) =>
    emulator.setCohort({ ...body(), ...(name === undefined ? {} : { cohortId: name }) }),
  'DELETE cohorts': ({ emulator, name }) => {
    if (!emulator.removeCohort(name || '')) throw new MissingError(`no cohort "${name}"`);
  },

  'GET requests': ({ emulator, query }) => {
    const endpoint = query.get('endpoint');
    return emulator.requests.filter((record) => endpoint === null || record.endpoint === endpoint);
  },
  'DELETE requests': ({ emulator }) => emulator.clearHistory(),
  'GET events': ({ emulator, query }) =>
    emulator.events(/** @type {any} */ (query.get('endpoint') || undefined)),

  'POST fail': ({ emulator, name, body }) => {
    const { endpoint = name, ...failure } = body();
    emulator.fail(endpoint, failure);
  },
  'DELETE fail': ({ emulator, name }) => emulator.clearFailures(/** @type {any} */ (name)),

  'POST streams': ({ emulator, name, body }) => {
    if (name === 'drop') return emulator.dropStreams(body());
    if (name === 'silence') return emulator.silenceStreams(body().silent !== false);
    if (name === 'send') return emulator.sendToStreams(String(body().text));
    throw new MissingError('streams can be told to drop, silence, send');
  },
};

/** Something that is not there. */
class MissingError extends Error {}

/** @param {IncomingMessage} request */
function isControl({ url = '' }) {
  return url === PREFIX || url.startsWith(`${PREFIX}/`);
}

/**
 * @param {Emulator} emulator
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 * @param {string} body
 */
function control(emulator, request, response, body) {
  // A page in a browser always says where it comes from. None has business here, whatever its site is.
  if (request.headers.origin !== undefined) return reply(response, 403, { error: 'not for browsers' });
  const { pathname, searchParams } = new URL(/** @type {string} */ (request.url), 'http://localhost');
  const [, , subject = '', ...rest] = pathname.split('/');
  const route = Object.prototype.hasOwnProperty.call(ROUTES, `${request.method} ${subject}`)
    ? ROUTES[`${request.method} ${subject}`]
    : undefined;
  if (!route)
    return reply(response, 404, { error: `no ${request.method} ${pathname}`, routes: Object.keys(ROUTES) });
  try {
    const name = rest.length > 0 && rest[0] !== '' ? decodeURIComponent(rest.join('/')) : undefined;
    const result = route({
      emulator,
      name,
      query: searchParams,
      body: () => (body === '' ? {} : JSON.parse(body)),
    });
    return reply(response, 200, result === undefined ? { ok: true } : result);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    return reply(response, error instanceof MissingError ? 404 : 400, { error: message });
  }
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {unknown} value
 */
function reply(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value, null, 2)}\n`);
}

module.exports = { control, isControl };
