'use strict';

/** A plain client for the specs that look at the wire itself. */

const http = require('http');
const https = require('https');
const net = require('net');

/**
 * One request over its own connection. Resolves with whatever came, and with `error` when the answer did not come whole.
 *
 * @param {string} url
 * @param {{ method?: string, headers?: object, body?: string, timeoutMillis?: number, ca?: unknown }} [options]
 */
function ask(url, { method = 'GET', headers = {}, body, timeoutMillis = 5000, ...rest } = {}) {
  return new Promise((resolve) => {
    const result = {
      status: undefined,
      headers: {},
      raw: Buffer.alloc(0),
      body: '',
      error: undefined,
      informational: [],
    };
    const pieces = [];
    const done = (error) => {
      result.error = error;
      result.raw = Buffer.concat(pieces);
      result.body = result.raw.toString();
      request.destroy();
      resolve(result);
    };
    const module = url.startsWith('https:') ? https : http;
    const request = module.request(url, { method, headers, agent: false, ...rest }, (response) => {
      result.status = response.statusCode;
      result.headers = response.headers;
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => done(response.complete ? undefined : new Error('incomplete')));
      response.on('error', done);
      response.on('aborted', () => done(new Error('aborted')));
    });
    request.on('information', ({ statusCode }) => result.informational.push(statusCode));
    request.on('error', done);
    setTimeout(() => done(new Error('timeout')), timeoutMillis).unref();
    request.end(body);
  });
}

/** All bytes that a server sends to a request until it closes, or until the time is over. */
function bytes(port, requestText, timeoutMillis = 1500) {
  return new Promise((resolve) => {
    const pieces = [];
    const socket = net.connect(port, '127.0.0.1', () => socket.write(requestText));
    const done = (end) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: Buffer.concat(pieces).toString(), end });
    };
    const timer = setTimeout(() => done('open'), timeoutMillis);
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('end', () => done('closed'));
    socket.on('error', ({ code }) => done(code));
  });
}

module.exports = { ask, bytes };
