'use strict';

const assert = require('node:assert');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { World, send, until } = require('./world');

/**
 * The shop's tests, written once for every runner.
 *
 * @param {object} runner
 * @param {(name: string, body: () => Promise<void>) => void} runner.test tests run one after the other
 * @param {(body: () => Promise<void>) => void} runner.before
 * @param {(body: () => Promise<void>) => void} runner.after
 * @param {() => () => void} runner.fakeTimers replaces the clock; what comes back puts it in order again
 * @param {(object: object, method: string, replacement: Function) => () => number} runner.spy how often it was called
 * @param {() => any} runner.freshShop the shop's module, in a registry of modules of its own
 * @param {number} [runner.registries] how many there are when there should be three
 */
function suite({ test, before, after, fakeTimers, spy, freshShop, registries = 3 }) {
  const { createShop } = require('./shop');
  const {
    Experiment,
    LocalEvaluationClient,
    RemoteEvaluationClient,
  } = require('@amplitude/experiment-node-server');
  const ada = { user_id: 'ada', device_id: 'd' };
  /** @type {World} */
  let world;
  /** @type {{ stop(): void }[]} */
  const clients = [];

  before(async () => void (world = await World.start()));
  after(async () => {
    for (const client of clients) client.stop();
    await world.stop();
  });

  async function started(config, make = createShop) {
    const shop = make(world.url, config);
    clients.push(shop.local);
    await shop.local.start();
    return shop;
  }

  test('the page shows what the variant of the visitor says', async () => {
    const shop = await started();
    const server = http.createServer(shop.handle);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const page = `http://127.0.0.1:${server.address().port}`;
    assert.equal(await send(page, 'GET', undefined, { Cookie: shop.cookie(ada) }), 'Buy now');
    assert.equal(await send(page), 'Buy');
    assert.equal(await send(`${page}/remote`, 'GET', undefined, { Cookie: shop.cookie(ada) }), 'Buy now');
    await new Promise((resolve) => server.close(resolve));
    await shop.local.flush();
    await until(async () => (await world.events()).some(({ user_id }) => user_id === 'ada'));
  });

  for (const streamUpdates of [false, true]) {
    test(`under fake timers start, updates (${streamUpdates ? 'streamed' : 'polled'}) and flush settle`, async () => {
      await world.show('Buy now');
      const user_id = `fake-${streamUpdates}`;
      await world.put('cohorts/vip', {
        cohortId: 'vip',
        groupType: 'User',
        lastModified: 2,
        memberIds: ['ada', user_id],
      });
      const restore = fakeTimers();
      try {
        const { local } = await started({ streamUpdates });
        const text = () =>
          local.evaluateV2({ user_id }, undefined, { tracksExposure: true }).button.payload.text;
        assert.equal(text(), 'Buy now');
        await world.show('Buy today');
        await until(() => text() === 'Buy today');
        await local.flush();
        assert.ok((await world.events()).some((event) => event.user_id === user_id));
        await local.close();
      } finally {
        restore();
        await world.show('Buy now');
      }
    });
  }

  test('under fake timers a fetch is tried again, and one that cannot succeed rejects', async () => {
    const restore = fakeTimers();
    try {
      const { remote } = createShop(world.url);
      await world.fail('variants', { kind: 'status', status: 500, times: 2 });
      assert.equal((await remote.fetchV2(ada)).button.key, 'on');
      await world.fail('variants', { kind: 'status', status: 400, times: 1 });
      await assert.rejects(remote.fetchV2(ada), { statusCode: 400 });
    } finally {
      restore();
    }
  });

  test("under fake timers a caller's own HTTP client and agent are waited for", async () => {
    const restore = fakeTimers();
    try {
      const request = async (url, method, headers) => ({
        status: 200,
        body: await send(url, method, undefined, headers),
      });
      const serverUrl = world.url;
      const local = new LocalEvaluationClient('server-key', { serverUrl, logLevel: 0 }, undefined, {
        request,
      });
      clients.push(local);
      await local.start();
      assert.equal(local.evaluateV2({ device_id: 'd' }).button.key, 'off');
      const httpAgent = new https.Agent({ keepAlive: true });
      const remote = new RemoteEvaluationClient('server-key', { serverUrl, httpAgent, logLevel: 0 });
      assert.equal((await remote.fetchV2(ada)).button.key, 'on');
    } finally {
      restore();
    }
  });

  test('a caller may put something in the place of a method', async () => {
    const shop = await started();
    const calls = spy(shop.local, 'evaluateV2', () => ({
      button: { key: 'on', payload: { text: 'Spied' } },
    }));
    const page = await new Promise((resolve) => shop.handle({ url: '/', headers: {} }, { end: resolve }));
    assert.equal(page, 'Spied');
    assert.equal(calls(), 1);
  });

  test('registries of modules have clients of their own, and all work in one process', async () => {
    const shops = [require('./shop'), freshShop(), freshShop()];
    const all = await Promise.all(shops.map(({ createShop }) => started(undefined, createShop)));
    for (const { local } of all) assert.equal(local.evaluateV2(ada).button.key, 'on');
    const classes = new Set(all.map(({ local }) => local.constructor));
    assert.equal(classes.size, registries);
    all[0].local.stop();
    await world.show('Buy tomorrow');
    const texts = () => all.map(({ local }) => local.evaluateV2(ada).button.payload.text);
    await until(() =>
      texts()
        .slice(1)
        .every((text) => text === 'Buy tomorrow'),
    );
    assert.notEqual(texts()[0], 'Buy tomorrow');
    await world.show('Buy now');
  });

  test('workers evaluate and end by themselves, with a client still started', async () => {
    const run = async () => {
      const worker = new Worker(path.join(__dirname, 'shop.worker.js'), { workerData: { url: world.url } });
      const said = [];
      worker.on('message', (message) => said.push(message));
      const code = await new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve));
      return { code, said };
    };
    for (const { code, said } of await Promise.all([run(), run(), run()])) {
      assert.equal(code, 0);
      assert.deepEqual(said, ['Buy now']);
    }
  });

  test('a client that nobody stops does not keep the process', async () => {
    const local = Experiment.initializeLocal('server-key', { serverUrl: world.url, logLevel: 0 });
    await local.start();
    assert.equal(local, Experiment.initializeLocal('server-key'));
    assert.equal(local.evaluateV2({ device_id: 'd' }).button.key, 'off');
  });
}

module.exports = { suite };
