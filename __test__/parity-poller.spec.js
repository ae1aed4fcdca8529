'use strict';

/** FlagConfigFetcher and FlagConfigPoller on their own: the same of both packages, protected members included. */

const test = require('ava');
const upstream = require('@amplitude/experiment-node-server');
const ours = require('..');
const { recording, silent, flag, members, USER_COHORTS } = require('./support/outcome');

const targeted = (key, ...ids) => flag(key, { segments: [members(USER_COHORTS, ids)] });
const FLAGS = [targeted('flag1', 'c1'), targeted('flag2', 'c2', 'c3'), flag('flag3')];
const NEW_FLAGS = [...FLAGS, targeted('flag5', 'c5')];

/** A poller with its protected members in reach, over flags and cohorts that a test changes. */
function polling(module, { interval = 60000, failing = [], loggerProvider = silent } = {}) {
  const server = { flags: FLAGS, status: 200, requests: 0, downloads: [], failing: new Set(failing) };
  const request = async () => {
    server.requests++;
    return { status: server.status, body: JSON.stringify(server.flags) };
  };
  const cohorts = {
    async fetch(id, lastModified) {
      server.downloads.push([id, lastModified]);
      if (server.failing.has(id)) throw new Error(`no ${id}`);
      return { cohortId: id, groupType: 'User', groupTypeId: 0, lastModified: 1, memberIds: new Set([id]) };
    },
  };
  class Open extends module.FlagConfigPoller {
    download(ids) {
      return this.downloadNewCohorts(new Set(ids));
    }

    keep(ids) {
      return this.removeUnusedCohorts(new Set(ids));
    }

    install(flags, onChange) {
      return this._update(flags, onChange);
    }
  }
  const storage = new module.LocalEvaluationClient('key', { loggerProvider: silent }).cohortStorage;
  const cache = new module.InMemoryFlagConfigCache();
  const fetcher = new module.FlagConfigFetcher('key', { request });
  const poller = new Open(fetcher, cache, storage, cohorts, interval, 5, loggerProvider);
  const stored = () => [...storage.getAllCohortIds()].sort();
  const flags = () => Object.keys(cache.getAllCached());
  return { server, storage, cache, fetcher, poller, stored, flags };
}

for (const [who, module] of [
  ['ours', ours],
  ["upstream's", upstream],
]) {
  const title = (name) => `${who}: ${name}`;

  test(title('the parts that a poller is made of'), (t) => {
    const { poller, fetcher, cache, storage } = polling(module);
    t.is(poller.fetcher, fetcher);
    t.is(poller.cache, cache);
    t.is(poller.cohortStorage, storage);
    t.is(typeof poller.cohortFetcher.fetch, 'function');
  });

  test(
    title('start brings flags and their cohorts; a poll brings new flags and only the new cohort'),
    async (t) => {
      const { server, poller, storage, stored, flags } = polling(module, { interval: 25 });
      await poller.start();
      t.teardown(() => poller.stop());
      t.deepEqual(flags(), ['flag1', 'flag2', 'flag3']);
      t.deepEqual(stored(), ['c1', 'c2', 'c3']);
      const before = storage.getCohort('c1');
      server.flags = NEW_FLAGS;
      for (let i = 0; i < 500 && stored().length < 4; i++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      t.deepEqual(stored(), ['c1', 'c2', 'c3', 'c5']);
      t.true(flags().includes('flag5'));
      t.is(storage.getCohort('c1'), before);
      t.deepEqual(server.downloads.map(([id]) => id).sort(), ['c1', 'c2', 'c3', 'c5']);
    },
  );

  test(title('cohorts that all fail at the start leave flags without cohorts'), async (t) => {
    const { poller, stored, flags } = polling(module, { failing: ['c1', 'c2', 'c3'] });
    await poller.start();
    poller.stop();
    t.deepEqual(flags(), ['flag1', 'flag2', 'flag3']);
    t.deepEqual(stored(), []);
  });

  test(
    title('an update whose new cohort fails is installed, and the others go when nothing names them'),
    async (t) => {
      const { server, poller, stored, flags } = polling(module, { failing: ['c5'] });
      await poller.update();
      server.flags = NEW_FLAGS.slice(1);
      await poller.update();
      t.deepEqual(flags(), ['flag2', 'flag3', 'flag5']);
      t.deepEqual(stored(), ['c2', 'c3']);
    },
  );

  test(
    title(
      'downloadNewCohorts says which failed and stores the others; removeUnusedCohorts keeps those named',
    ),
    async (t) => {
      const { poller, stored, server } = polling(module, { failing: ['bad'] });
      t.deepEqual(await poller.download(['c1', 'bad', 'c2']), new Set(['bad']));
      t.deepEqual(stored(), ['c1', 'c2']);
      t.deepEqual(await poller.download(['c1']), new Set());
      t.is(server.downloads.length, 3);
      await poller.keep(['c2', 'unknown']);
      t.deepEqual(stored(), ['c2']);
    },
  );

  test(title('_update installs what it is given and then says so, with the cache'), async (t) => {
    const { poller, cache, flags } = polling(module);
    const changed = [];
    await poller.install({ x: flag('x') }, async (given) => void changed.push(given === cache, ...flags()));
    t.deepEqual(changed, [true, 'x']);
  });

  test(title('every update is told, changed or not; start again while running does nothing'), async (t) => {
    const { server, poller } = polling(module);
    let changes = 0;
    const changed = async () => void changes++;
    await poller.start(changed);
    await poller.start(changed);
    await poller.update(changed);
    await poller.update();
    poller.stop();
    poller.stop();
    t.is(changes, 2);
    t.is(server.requests, 3);
  });

  test(title('a start that fails five times rejects, has stopped, and says why'), async (t) => {
    const { lines, provider } = recording();
    const { server, poller } = polling(module, { loggerProvider: provider });
    server.status = 500;
    const message = 'Flags error response: status=500';
    await t.throwsAsync(poller.start(), { message });
    t.is(server.requests, 5);
    t.deepEqual(
      lines.map(([level, text]) => [level, text]),
      [
        ['debug', '[Experiment] poller - start'],
        ['error', '[Experiment] flag config initial poll failed, stopping'],
        ['debug', '[Experiment] poller - stop'],
      ],
    );
    t.is(lines[1][2][0].message, message);
    await t.throwsAsync(poller.update(), { message });
    t.is(server.requests, 6);
    server.status = 200;
    await poller.start();
    poller.stop();
  });

  test(title('what onChange throws is what start rejects with'), async (t) => {
    const { poller } = polling(module);
    const error = new RangeError('mine');
    t.is(await t.throwsAsync(poller.start(() => Promise.reject(error))), error);
    await poller.start();
    poller.stop();
  });

  test(title('flags that need cohorts, and nobody to fetch them: logged on every update'), async (t) => {
    const { lines, provider } = recording();
    const request = async () => ({ status: 200, body: JSON.stringify(FLAGS) });
    const { cohortStorage } = new module.LocalEvaluationClient('key', { loggerProvider: silent });
    const cache = new module.InMemoryFlagConfigCache();
    const fetcher = new module.FlagConfigFetcher('key', { request });
    const poller = new module.FlagConfigPoller(fetcher, cache, cohortStorage, undefined, 60000, 1, provider);
    await poller.update();
    await poller.update();
    const line = 'Cohorts found in flag configs but no cohort download configured';
    t.deepEqual(lines, [
      ['error', line, []],
      ['error', line, []],
    ]);
    t.deepEqual(Object.keys(cache.getAllCached()), ['flag1', 'flag2', 'flag3']);
  });

  test(title('a fetch of no flags, and one that fails without a body'), async (t) => {
    const fetcher = (response) => new module.FlagConfigFetcher('key', { request: async () => response });
    t.deepEqual(await fetcher({ status: 200, body: '[]' }).fetch(), {});
    await t.throwsAsync(fetcher({ status: 500, body: undefined }).fetch(), {
      message: 'Flags error response: status=500',
    });
  });
}
