'use strict';

/** One emulated server that goes wrong and recovers, in the ways of the table. */

const fs = require('node:fs');
const path = require('node:path');
const { Emulator } = require('../../emulator');

const TLS = path.join(__dirname, '..', '..', '__test__', 'support', 'tls');
/** The authority that the process trusts. */
const TRUSTED = path.join(TLS, 'authority.pem');

/**
 * @typedef {import('./table').Fault} Fault
 * @typedef {import('../../emulator').World} World
 */

/**
 * What a server shows: nothing, where it does not speak TLS.
 * @param {import('./table').Identity} name
 */
function identity(name) {
  const read = (/** @type {string} */ file) => fs.readFileSync(path.join(TLS, file));
  if (name === 'none') return undefined;
  if (name === 'unknown') return { key: read('unknown-key.pem'), cert: read('unknown-cert.pem') };
  return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
}

class Site {
  /**
   * @param {World} world
   * @param {import('../../emulator').Endpoint} endpoint the one that goes wrong
   * @param {Fault} fault
   */
  static async open(world, endpoint, fault) {
    const site = new Site(world, endpoint, fault);
    await site.listen('server');
    return site;
  }

  /**
   * @private
   * @param {World} world
   * @param {import('../../emulator').Endpoint} endpoint
   * @param {Fault} fault
   */
  constructor(world, endpoint, fault) {
    this.world = world;
    this.endpoint = endpoint;
    this.fault = fault;
    this.port = 0;
  }

  /**
   * @private
   * @param {import('./table').Identity} name
   */
  async listen(name) {
    const { world, port, fault } = this;
    this.emulator = await Emulator.start({ ...world, port, tls: fault.identity && identity(name) });
    this.port = this.emulator.port;
  }

  get url() {
    return this.fault.special === 'dns' ? 'http://emulator.invalid' : this.serving.url;
  }

  get serving() {
    return /** @type {Emulator} */ (this.emulator);
  }

  /** From now on requests meet the fault. */
  async breakDown() {
    const { fault, serving } = this;
    if (fault.failure) serving.fail(this.endpoint, fault.failure);
    if (fault.special === 'refused') await serving.suspend();
    if (fault.identity) {
      await serving.close();
      await this.listen(fault.identity);
    }
  }

  /** Requests are answered properly again. */
  async recover() {
    const { fault, serving } = this;
    serving.clearFailures();
    if (fault.special === 'refused') await serving.resume();
    if (fault.identity) {
      await serving.close();
      await this.listen('server');
    }
  }

  /** @param {any[]} flags */
  setFlags(flags) {
    this.world.flags = flags;
    this.serving.setFlags(flags);
  }

  async close() {
    await this.serving.close();
  }
}

module.exports = { Site, TRUSTED };
