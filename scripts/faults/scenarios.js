'use strict';

/**
 * What is done in each cell of the table, by endpoint and phase. In: a fault and the scratch of the cell. Out: the end state, in
 * words. What must hold in every cell (evaluations answer, nothing is mixed, nothing outlives `stop()`) is asserted on the way.
 */

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { LocalEvaluationClient, RemoteEvaluationClient } = require('../..');
const { Site } = require('./site');
const { OK } = require('./table');

/** Longer than everything that may take its time: three attempts at a cohort of 20 s each. */
const PATIENCE_MILLIS = 90_000;
/** So long a fault lasts, at least, before the server recovers: several polls. */
const FAULT_MILLIS = 700;
const POLL_MILLIS = 150;
/** After so long a client that has stopped is silent. */
const QUIET_MILLIS = 15_000;
const USER = { user_id: 'member' };

/** @typedef {import('./table').Fault} Fault */

/** A flag that is on for everybody, and tells its version. */
const versioned = (/** @type {number} */ version) => ({
  key: 'flag',
  variants: { on: { key: 'on', value: `v${version}` } },
  segments: [{ variant: 'on' }],
});

/** A flag that is on for the members of a cohort. */
const targeted = (/** @type {string} */ cohortId) => ({
  key: cohortId,
  variants: { on: { key: 'on', value: 'on' } },
  segments: [
    {
      conditions: [
        [{ selector: ['context', 'user', 'cohort_ids'], op: 'set contains any', values: [cohortId] }],
      ],
      variant: 'on',
    },
  ],
});

/** Collects log lines. */
function logger() {
  /** @type {string[]} */
  const lines = [];
  /** @type {string[]} errors and warnings alone */
  const warnings = [];
  const take = (/** @type {any[]} */ ...parts) => void lines.push(parts.map(String).join(' '));
  const warn = (/** @type {any[]} */ ...parts) => {
    take(...parts);
    warnings.push(lines[lines.length - 1]);
  };
  return { lines, warnings, provider: { error: warn, warn, info: take, debug: take, verbose: take } };
}

/**
 * @param {() => unknown} isMet
 * @param {string} what
 */
async function until(isMet, what) {
  const end = Date.now() + PATIENCE_MILLIS;
  while (!(await isMet())) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(20);
  }
}

/** What a flag is at this moment. */
const now = (/** @type {any} */ client, flag = 'flag') => {
  const variant = client.evaluateV2(USER)[flag];
  return variant && variant.value;
};

/** The code by which the table knows an error. */
function meaning(/** @type {any} */ error) {
  assert.ok(error instanceof Error, `no Error: ${error}`);
  const { code, message, statusCode } = /** @type {any} */ (error);
  assert.equal(typeof code, 'string', `no code: ${message}`);
  if (code === 'ERR_EXPERIMENT_FLAGS_STATUS') return /** @type {RegExpExecArray} */ (/\d+$/.exec(message))[0];
  if (code === 'ERR_EXPERIMENT_FETCH_STATUS') return String(statusCode);
  return MEANINGS[code] || code;
}

/** @type {Record<string, string>} */
const MEANINGS = {
  ERR_EXPERIMENT_FLAGS_NOT_JSON: 'not JSON',
  ERR_EXPERIMENT_NOT_JSON: 'not JSON',
  ERR_EXPERIMENT_FLAGS_NOT_ARRAY: 'not as agreed',
  ERR_EXPERIMENT_NOT_VARIANTS: 'not as agreed',
  ERR_BODY_TOO_LARGE: 'too large',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate',
  EAI_AGAIN: 'ENOTFOUND',
};

/**
 * @param {Promise<any>} promise
 * @returns {Promise<string>} OK, or what the error means
 */
async function outcome(promise) {
  try {
    await promise;
    return OK;
  } catch (error) {
    return meaning(error);
  }
}

/** Nothing that was under way has an effect, and nothing more is asked for, after a stop. */
async function assertStopped(/** @type {any} */ client, /** @type {Site[]} */ sites) {
  const before = now(client);
  const start = Date.now();
  client.stop();
  assert.ok(Date.now() - start < 1000, 'stop blocks');
  for (const site of sites) site.setFlags([versioned(99)]);
  // What had been sent may still arrive; then there is silence.
  const asked = () => sites.map((site) => site.serving.requests.length).join();
  const end = Date.now() + QUIET_MILLIS;
  for (let known = ''; known !== asked();) {
    assert.ok(Date.now() < end, 'requests after stop');
    known = asked();
    await sleep(FAULT_MILLIS);
  }
  assert.equal(now(client), before, 'installed after stop');
  return 'stops at once; nothing more is asked for or installed';
}

const HEALTHY = /** @type {any} */ ({ name: 'healthy', meets: {} });

/** Polls flags that go wrong. Where a name never resolves, a stream is what is lost. */
const flags = {
  /** @param {Fault} fault @param {Cell} cell */
  async start(fault, cell) {
    const site = await cell.site({ flags: [versioned(1)] }, 'flags', fault);
    const client = cell.local({ serverUrl: site.url });
    await site.breakDown();
    const result = await outcome(client.start());
    assert.equal(now(client), result === OK ? 'v1' : undefined);
    if (result === OK) return 'starts';
    if (fault.special === 'dns') return `start rejects: ${result}`;
    await site.recover();
    await client.start();
    assert.equal(now(client), 'v1');
    return `start rejects: ${result}; the next start succeeds`;
  },

  /** @param {Fault} fault @param {Cell} cell */
  async steady(fault, cell) {
    const { site, client, stream } = await polling(fault, cell);
    await site.breakDown();
    if (stream) await stream.breakDown();
    site.setFlags([versioned(2)]);
    const asked = site.serving.requests.length;
    const end = Date.now() + FAULT_MILLIS;
    while (Date.now() < end || (fault.failure && site.serving.requests.length < asked + 2)) {
      assert.match(String(now(client)), /^v[12]$/);
      await sleep(20);
    }
    const updated = fault.meets.flags === OK;
    if (updated) {
      await until(() => now(client) === 'v2', 'the update');
      return 'updates';
    }
    assert.equal(now(client), 'v1', 'updated by a broken answer');
    await (stream || site).recover();
    if (stream) stream.setFlags([versioned(2)]);
    await until(() => now(client) === 'v2', 'the update after recovery');
    return 'keeps its flags; updates after recovery';
  },

  /** @param {Fault} fault @param {Cell} cell */
  async stop(fault, cell) {
    const { site, client, stream } = await polling(fault, cell);
    await site.breakDown();
    if (stream) await stream.breakDown();
    await sleep(3 * POLL_MILLIS);
    return assertStopped(client, stream ? [site, stream] : [site]);
  },
};

/** @param {Fault} fault @param {Cell} cell */
async function polling(fault, cell) {
  const site = await cell.site({ flags: [versioned(1)] }, 'flags', fault);
  /** @type {Site | undefined} */
  let stream;
  if (fault.special === 'dns') {
    const cut = /** @type {any} */ ({ ...HEALTHY, failure: { kind: 'status', status: 501 } });
    stream = await cell.site({ flags: [versioned(1)] }, 'stream', cut);
    const { breakDown } = stream;
    stream.breakDown = async function () {
      await breakDown.call(this);
      this.serving.dropStreams();
    };
  }
  const client = cell.local({
    serverUrl: site.url,
    streamUpdates: Boolean(stream),
    streamServerUrl: stream && stream.url,
  });
  await client.start();
  assert.equal(now(client), 'v1');
  return { site, client, stream };
}

/** Fetches variants. */
const vardata = {
  /** @param {Fault} fault @param {Cell} cell */
  async start(fault, cell) {
    const { site, client } = await remote(fault, cell);
    await site.breakDown();
    const result = await fetched(client);
    if (result === OK || fault.special === 'dns') return `fetch: ${result}`;
    await site.recover();
    assert.equal(await fetched(client), OK);
    return `fetch: ${result}; the next succeeds`;
  },

  /** @param {Fault} fault @param {Cell} cell */
  async steady(fault, cell) {
    const { site, client } = await remote(fault, cell);
    if (fault.special !== 'dns') assert.equal(await fetched(client), OK);
    await site.breakDown();
    // The connection that is kept may be closed under the first fetch: what counts is how new ones fare.
    if (fault.special === 'refused' || fault.identity) await fetched(client);
    const results = await Promise.all(Array.from({ length: 4 }, () => fetched(client)));
    assert.equal(new Set(results).size, 1, results.join());
    if (results[0] === OK || fault.special === 'dns') return `fetches: ${results[0]}`;
    await site.recover();
    assert.equal(await fetched(client), OK);
    return `fetches: ${results[0]}; the next succeeds`;
  },

  /** The server goes away under fetches that are in flight. @param {Fault} fault @param {Cell} cell */
  async stop(fault, cell) {
    const { site, client } = await remote(fault, cell);
    await site.breakDown();
    const start = Date.now();
    const fetches = Array.from({ length: 4 }, () => fetched(client));
    await sleep(50);
    if (fault.special !== 'refused') await site.serving.suspend();
    await Promise.all(fetches);
    assert.ok(Date.now() - start < 20_000, 'a fetch is not bounded');
    return 'every fetch in flight settles';
  },
};

/** @param {Fault} fault @param {Cell} cell */
async function remote(fault, cell) {
  const site = await cell.site({ flags: [versioned(1)] }, 'variants', fault);
  const client = new RemoteEvaluationClient('server-key', {
    serverUrl: site.url,
    // Enough to receive a body that is larger than what is accepted, on a busy machine.
    fetchTimeoutMillis: fault.heavy ? 20_000 : 4000,
    fetchRetryTimeoutMillis: fault.heavy ? 20_000 : 4000,
    fetchRetries: 1,
    fetchRetryBackoffMinMillis: 10,
    logLevel: 0,
  });
  return { site, client };
}

/** @param {any} client */
async function fetched(client) {
  /** @type {any} */
  let variants;
  const result = await outcome(client.fetchV2(USER).then((/** @type {any} */ value) => (variants = value)));
  if (result !== OK) return result;
  return variants.flag && variants.flag.value === 'v1' ? OK : 'empty';
}

/** Downloads cohorts that go wrong, for flags that are well. */
const cohort = {
  /** @param {Fault} fault @param {Cell} cell */
  async start(fault, cell) {
    const { flagSite, site, client } = await cohorts(fault, cell, [targeted('c1'), versioned(1)]);
    await site.breakDown();
    await client.start();
    assert.equal(now(client), 'v1');
    if (now(client, 'c1') === 'on') return 'starts with the cohort';
    if (fault.special === 'dns') return 'starts without the cohort';
    await site.recover();
    flagSite.setFlags([targeted('c1'), versioned(2)]);
    await until(() => now(client, 'c1') === 'on', 'the cohort');
    return 'starts without the cohort; has it after recovery';
  },

  /** @param {Fault} fault @param {Cell} cell */
  async steady(fault, cell) {
    const dns = fault.special === 'dns';
    const { flagSite, site, client } = await cohorts(fault, cell, [
      versioned(1),
      ...(dns ? [] : [targeted('c1')]),
    ]);
    await client.start();
    const kept = now(client, 'c1');
    assert.equal(kept, dns ? undefined : 'on');
    await site.breakDown();
    flagSite.setFlags([versioned(2), targeted('c1'), targeted('c2')]);
    await until(() => {
      // Old or new, never mixed: what was known of a cohort stays known.
      assert.equal(now(client, 'c1'), kept);
      return now(client) === 'v2';
    }, 'the flags');
    if (now(client, 'c2') === 'on') return 'the new cohort comes with its flags';
    if (dns) return 'new flags without the new cohort';
    await site.recover();
    flagSite.setFlags([versioned(3), targeted('c1'), targeted('c2')]);
    await until(() => now(client, 'c2') === 'on', 'the new cohort');
    assert.equal(now(client, 'c1'), 'on');
    return 'new flags, kept cohorts; the new cohort after recovery';
  },

  /** @param {Fault} fault @param {Cell} cell */
  async stop(fault, cell) {
    const { flagSite, site, client } = await cohorts(fault, cell, [versioned(1)]);
    await client.start();
    await site.breakDown();
    flagSite.setFlags([versioned(1), targeted('c1')]);
    await sleep(3 * POLL_MILLIS);
    return assertStopped(client, [flagSite, site]);
  },
};

/** @param {Fault} fault @param {Cell} cell @param {any[]} known */
async function cohorts(fault, cell, known) {
  const members = (/** @type {string} */ cohortId) => ({
    cohortId,
    groupType: 'User',
    memberIds: ['member'],
  });
  const flagSite = await cell.site({ flags: known }, 'flags', HEALTHY);
  const site = await cell.site({ flags: [], cohorts: [members('c1'), members('c2')] }, 'cohort', fault);
  const cohortSyncConfig = { apiKey: 'api', secretKey: 'secret', cohortServerUrl: site.url };
  const client = cell.local({ serverUrl: flagSite.url, cohortSyncConfig });
  return { flagSite, site, client };
}

/** A stream that goes wrong, beside polling that is well. */
const stream = {
  /** @param {Fault} fault @param {Cell} cell */
  async start(fault, cell) {
    const { flagSite, site, client } = await streaming(fault, cell);
    await site.breakDown();
    await client.start();
    const polled = flagSite.serving.requests.length > 0;
    assert.equal(now(client), 'v1');
    flagSite.setFlags([versioned(2)]);
    if (fault.special !== 'dns') site.setFlags([versioned(2)]);
    await until(() => now(client) === 'v2', 'the update');
    return polled ? 'starts by polling, and updates' : 'starts by streaming, and updates';
  },

  /** @param {Fault} fault @param {Cell} cell */
  async steady(fault, cell) {
    const { flagSite, site, client } = await streaming(fault, cell);
    await client.start();
    await site.breakDown();
    if (fault.special !== 'dns') site.serving.dropStreams();
    flagSite.setFlags([versioned(2)]);
    // Otherwise the update must come by polling.
    if (fault.meets.stream === OK) site.setFlags([versioned(2)]);
    await until(() => {
      assert.match(String(now(client)), /^v[12]$/);
      return now(client) === 'v2';
    }, 'the update');
    const polled = flagSite.serving.requests.length > 0;
    return polled ? 'keeps its flags, falls back to polling, and updates' : 'streams again, and updates';
  },

  /** @param {Fault} fault @param {Cell} cell */
  async stop(fault, cell) {
    const { flagSite, site, client } = await streaming(fault, cell);
    await client.start();
    await site.breakDown();
    if (fault.special !== 'dns') site.serving.dropStreams();
    await sleep(3 * POLL_MILLIS);
    return assertStopped(client, [flagSite, site]);
  },
};

/** @param {Fault} fault @param {Cell} cell */
async function streaming(fault, cell) {
  const flagSite = await cell.site({ flags: [versioned(1)] }, 'flags', HEALTHY);
  const site = await cell.site({ flags: [versioned(1)] }, 'stream', fault);
  const client = cell.local({
    serverUrl: flagSite.url,
    streamUpdates: true,
    streamServerUrl: site.url,
    // A stream that is too large takes a while to be so.
    streamFlagConnTimeoutMillis: fault.heavy ? 20_000 : 3000,
  });
  return { flagSite, site, client };
}

/** Exposures to a server that goes wrong, of flags that are well. */
const events = {
  /** @param {Fault} fault @param {Cell} cell */
  async start(fault, cell) {
    const { site, client } = await exposing(fault, cell);
    await client.start();
    await site.breakDown();
    return delivered(client, site, fault, 'first', cell);
  },

  /** @param {Fault} fault @param {Cell} cell */
  async steady(fault, cell) {
    const { site, client } = await exposing(fault, cell);
    await client.start();
    if (fault.special !== 'dns') {
      expose(client, 'before');
      await until(() => exposed(site).includes('before'), 'the first event');
    }
    await site.breakDown();
    return delivered(client, site, fault, 'second', cell);
  },

  /** @param {Fault} fault @param {Cell} cell */
  async stop(fault, cell) {
    const { site, client } = await exposing(fault, cell);
    await client.start();
    await site.breakDown();
    expose(client, 'last');
    const start = Date.now();
    await client.close({ timeoutMillis: 500 });
    assert.ok(Date.now() - start < 5000, 'close is not bounded');
    assert.equal(now(client), 'v1');
    return 'close ends in its time';
  },
};

/** @param {any} client @param {string} user */
function expose(client, user) {
  const variants = client.evaluateV2({ user_id: user }, undefined, { tracksExposure: true });
  assert.equal(variants.flag.value, 'v1');
}

/** Users whose events the server took. @param {Site} site */
const exposed = (site) => site.serving.events().map(({ user_id }) => user_id);

/**
 * @param {any} client
 * @param {Site} site
 * @param {Fault} fault
 * @param {string} user
 * @param {Cell} cell
 */
async function delivered(client, site, fault, user, cell) {
  const uploads = site.serving.requestsTo('events').length;
  const silent = cell.warnings.length;
  expose(client, user);
  if (fault.special === 'dns') {
    await until(
      () => cell.lines.some((line) => /ENOTFOUND|EAI_AGAIN|getaddrinfo|failed/i.test(line)),
      'a log line',
    );
    return 'kept and tried again';
  }
  if (fault.failure) await until(() => site.serving.requestsTo('events').length > uploads, 'an upload');
  await sleep(FAULT_MILLIS);
  await site.recover();
  const mark = exposed(site).length;
  expose(client, 'after');
  await until(() => exposed(site).includes('after'), 'later events');
  await Promise.race([client.flush(), sleep(PATIENCE_MILLIS)]);
  const ids = site.serving
    .events()
    .filter(({ user_id }) => user_id === user)
    .map(({ insert_id }) => insert_id);
  assert.ok(new Set(ids).size <= 1, 'one event under two ids');
  if (ids.length === 0) {
    const told = cell.warnings.length > silent;
    return `${told ? 'dropped with a log line' : 'a 200 counts as taken'}; later events arrive`;
  }
  return mark > 0 && exposed(site).slice(0, mark).includes(user) ? 'taken' : 'kept; delivered after recovery';
}

/** @param {Fault} fault @param {Cell} cell */
async function exposing(fault, cell) {
  const flagSite = await cell.site({ flags: [versioned(1)] }, 'flags', HEALTHY);
  const site = await cell.site({ flags: [] }, 'events', fault);
  const client = cell.local({
    serverUrl: flagSite.url,
    exposureConfig: {
      apiKey: 'api',
      serverUrl: `${site.url}/2/httpapi`,
      flushIntervalMillis: 20,
      flushMaxRetries: 100,
      loggerProvider: cell.provider,
      logLevel: 4,
    },
  });
  return { site, client };
}

/** What a cell opens, and closes when it is over. */
class Cell {
  constructor() {
    const { lines, warnings, provider } = logger();
    this.lines = lines;
    this.warnings = warnings;
    this.provider = provider;
    /** @type {(() => unknown)[]} */
    this.closings = [];
  }

  /**
   * @param {import('../../emulator').World} world
   * @param {import('../../emulator').Endpoint} endpoint
   * @param {Fault} fault
   */
  async site(world, endpoint, fault) {
    const site = await Site.open(world, endpoint, fault);
    this.closings.push(() => site.close());
    return site;
  }

  /** @param {any} config */
  local(config) {
    const client = new LocalEvaluationClient('server-key', {
      flagConfigPollingIntervalMillis: POLL_MILLIS,
      loggerProvider: this.provider,
      logLevel: 4,
      ...config,
    });
    this.closings.push(() => client.stop());
    return client;
  }

  async close() {
    for (const closing of this.closings.reverse()) await closing();
  }
}

module.exports = { Cell, scenarios: { flags, vardata, cohort, stream, events } };
