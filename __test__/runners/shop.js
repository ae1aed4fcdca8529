'use strict';

const {
  AmplitudeCookie,
  LocalEvaluationClient,
  RemoteEvaluationClient,
} = require('@amplitude/experiment-node-server');

/**
 * A small application: a page that shows what the visitor's variant says. In: where Amplitude is. Out: a request handler as
 * `http` and Express call it, and the clients behind it.
 *
 * @param {string} url
 * @param {object} [config] of the local client, besides
 */
function createShop(url, config) {
  const local = new LocalEvaluationClient('server-key', {
    serverUrl: url,
    streamServerUrl: url,
    flagConfigPollingIntervalMillis: 20,
    cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url },
    exposureConfig: { apiKey: 'api', serverUrl: `${url}/2/httpapi` },
    logLevel: 0,
    ...config,
  });
  const remote = new RemoteEvaluationClient('server-key', {
    serverUrl: url,
    fetchRetryBackoffMinMillis: 5,
    logLevel: 0,
  });
  const name = AmplitudeCookie.cookieName('0123456789', true);

  /** Whom a request comes from, by the cookie that Amplitude's browser SDK keeps. */
  function visitor({ headers: { cookie = '' } }) {
    const [, value] = new RegExp(`${name}=([^;]*)`).exec(cookie) || [];
    return value ? AmplitudeCookie.parse(value, true) : { device_id: 'unknown' };
  }

  async function handle(request, response) {
    const user = visitor(request);
    const variants =
      request.url === '/remote'
        ? await remote.fetchV2(user)
        : local.evaluateV2(user, ['button'], { tracksExposure: true });
    const { button } = variants;
    response.end(button && button.payload ? button.payload.text : 'Buy');
  }

  return { local, remote, handle, cookie: (user) => `${name}=${encode(user)}` };
}

/** The cookie of a browser, as its SDK writes it. */
function encode({ user_id: userId, device_id: deviceId }) {
  return Buffer.from(encodeURIComponent(JSON.stringify({ deviceId, userId }))).toString('base64');
}

module.exports = { createShop };
