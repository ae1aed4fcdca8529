'use strict';

/** What the figures were measured on and with. */

const os = require('node:os');
const { execFileSync } = require('node:child_process');

/**
 * @typedef {{ date: string, processor: string, cores: number, memory: string, system: string, load: string, node: string,
 *   rust: string, commit: string }} About
 * @returns {About}
 */
function about() {
  const [first] = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: first ? first.model.trim() : 'unknown',
    cores: os.cpus().length,
    memory: `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    // What else the machine was doing before.
    load: os.loadavg()[0].toFixed(1),
    node: process.version,
    rust: said('rustc', '--version'),
    commit: said('git', 'rev-parse', '--short', 'HEAD'),
  };
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function said(program, ...args) {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      cwd: __dirname,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

module.exports = { about };
