'use strict';

/**
 * An Express application that asks Amplitude Experiment what to show. In: two clients, so that tests can bring their own. Out: the app;
 * it neither listens nor starts clients (`server.js` does).
 */

const { randomUUID } = require('crypto');
const express = require('express');
// In an application: require('@amplitude/experiment-node-server'), once the alias is installed as the README says.
const { AmplitudeCookie } = require('../..');

/**
 * @typedef {import('../..').ExperimentUser} ExperimentUser
 * @typedef {object} Parts
 * @property {import('../..').LocalEvaluationClient} local
 * @property {import('../..').RemoteEvaluationClient} remote
 * @property {string} apiKey of the project whose browser SDK sets the cookie
 */

/** A year, in milliseconds. */
const COOKIE_MAX_AGE = 365 * 24 * 60 * 60 * 1000;

/** @param {Parts} parts */
function createApp({ local, remote, apiKey }) {
  const app = express();
  app.disable('x-powered-by');
  app.use(identify(apiKey));

  // Local evaluation: a few microseconds, so a request can afford it without a thought.
  app.get('/', (_request, response) => {
    const checkout = local.evaluateV2(response.locals.user, ['new-checkout'])['new-checkout'];
    const isNew = checkout !== undefined && checkout.key === 'treatment';
    const button = isNew && checkout.payload ? String(checkout.payload.button) : 'Continue to checkout';
    response.type('html').send(`<!doctype html><title>Shop</title><button>${escapeHtml(button)}</button>\n`);
  });

  app.get('/api/variants', (_request, response) => {
    response.json({ user: response.locals.user, variants: local.evaluateV2(response.locals.user) });
  });

  // Remote evaluation: one request to the server, which may fail. The page goes on without it.
  app.get('/api/remote-variants', async (_request, response) => {
    try {
      response.json({ user: response.locals.user, variants: await remote.fetchV2(response.locals.user) });
    } catch (_error) {
      response.status(502).json({ error: 'variants are not available at the moment' });
    }
  });

  app.get('/healthz', (_request, response) => void response.json({ ok: true }));

  return app;
}

/**
 * Finds out who asks: from the cookie that Amplitude's browser SDK keeps, so that browser and server see the same user. A visitor
 * without one gets one.
 *
 * @param {string} apiKey
 * @returns {express.RequestHandler}
 */
function identify(apiKey) {
  const name = AmplitudeCookie.cookieName(apiKey, true);
  return (request, response, next) => {
    const cookie = readCookie(request.headers.cookie, name);
    let { device_id, user_id } = cookie === undefined ? {} : AmplitudeCookie.parse(cookie, true);
    if (!device_id) {
      device_id = randomUUID();
      response.cookie(name, AmplitudeCookie.generate(device_id, true), {
        maxAge: COOKIE_MAX_AGE,
        sameSite: 'lax',
      });
    }
    /** @type {ExperimentUser} */
    response.locals.user = {
      device_id,
      ...(user_id ? { user_id } : {}),
      user_properties: propertiesOf(request),
    };
    next();
  };
}

/**
 * What targeting may use besides ids; a real application knows its users.
 * @param {express.Request} request
 */
function propertiesOf(request) {
  const { plan } = request.query;
  return typeof plan === 'string' ? { plan } : {};
}

/**
 * @param {string | undefined} header
 * @param {string} name
 * @returns {string | undefined}
 */
function readCookie(header = '', name) {
  const found = header.split(/; */).find((pair) => pair.startsWith(`${name}=`));
  if (found === undefined) return undefined;
  const value = found.slice(name.length + 1);
  try {
    return decodeURIComponent(value);
  } catch (_malformed) {
    return value;
  }
}

/** @param {string} text */
function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

module.exports = { createApp };
