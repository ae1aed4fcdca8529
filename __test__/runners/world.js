'use strict';

const { spawn } = require('node:child_process');
const http = require('node:http');
const path = require('node:path');

/** Amplitude as the shop's tests see it: an emulator in a process of its own, which the tests start and end. */

// As they were before anybody replaced them.
const { setTimeout: later } = globalThis;

const WORLD = {
  deploymentKey: 'server-key',
  apiKey: 'api',
  secretKey: 'secret',
  flags: [button('Buy now')],
  cohorts: [{ cohortId: 'vip', groupType: 'User', groupTypeId: 0, lastModified: 1, memberIds: ['ada'] }],
};

/** The flag of the button: members of a cohort see a text. */
function button(text) {
  const vip = { selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: ['vip'] };
  return {
    key: 'button',
    variants: {
      on: { key: 'on', value: 'on', payload: { text } },
      off: { key: 'off', metadata: { default: true } },
    },
    segments: [{ conditions: [[vip]], variant: 'on' }, { variant: 'off' }],
  };
}

class World {
  /** @param {import('node:child_process').ChildProcess} child @param {string} url */
  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** @returns {Promise<World>} */
  static async start() {
    const emulator = path.dirname(require.resolve('@amplitude/experiment-node-server/emulator'));
    const child = spawn(process.execPath, [path.join(emulator, 'cli.js'), '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    const url = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`the emulator has ended: ${text}`)));
      child.stdout.on('data', (piece) => {
        text += piece;
        const [, found] = /emulator at (\S+)\n/.exec(text) || [];
        if (found) resolve(found);
      });
    });
    const world = new World(child, url);
    await world.put('flags', WORLD.flags);
    for (const cohort of WORLD.cohorts) await world.put(`cohorts/${cohort.cohortId}`, cohort);
    return world;
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill();
    await ended;
  }

  show(text) {
    return this.put('flags', [button(text)]);
  }

  put(what, value) {
    return send(`${this.url}/emulator/${what}`, 'PUT', value);
  }

  fail(endpoint, failure) {
    return send(`${this.url}/emulator/fail/${endpoint}`, 'POST', failure);
  }

  async events() {
    return JSON.parse(await send(`${this.url}/emulator/events`, 'GET'));
  }
}

/** One request on a connection of its own; the answer's body. */
function send(url, method = 'GET', value = undefined, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => (text += piece));
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode < 300
          ? resolve(text)
          : reject(new Error(`${url}: ${response.statusCode} ${text}`)),
      );
    });
    request.on('error', reject);
    request.end(value === undefined ? undefined : JSON.stringify(value));
  });
}

/** Waits in real time, whatever the clock of the test says. */
async function until(check) {
  for (let i = 0; i < 1000; i++) {
    if (await check()) return;
    await new Promise((resolve) => later(resolve, 10));
  }
  throw new Error(`not within ten seconds: ${check}`);
}

module.exports = { World, send, until };
