'use strict';

/**
 * The native addon. The generated loader finds the binary; this says what to do when there is none.
 *
 * @typedef {import('../native/index')} Native
 */

/** @returns {Native} */
function load() {
  try {
    return platformPackage() || require('../native/index.js');
  } catch (cause) {
    const name = `experiment-node-server-rs-${platformName()}`;
    const error = new Error(
      `The native part of experiment-node-server-rs could not be loaded. It comes as the optional package ` +
        `"${name}". Usual causes: dependencies installed with --no-optional or --omit=optional, node_modules ` +
        `copied from another operating system or processor, or a bundler that left the .node file out. ` +
        `Install "${name}" on the machine that runs it. The loader said: ${messageOf(cause)}`,
    );
    throw Object.assign(error, { code: 'ERR_EXPERIMENT_NATIVE_MISSING', cause });
  }
}

/**
 * The package that nearly everybody has, asked for by its name: the loader, which knows all other cases, takes as long
 * as the addon itself. Not in a clone, which has an addon of its own.
 * @returns {Native | undefined}
 */
function platformPackage() {
  if (typeof PUBLISHED === 'undefined') return undefined;
  const { platform, arch } = process;
  const libc = { linux: '-gnu', win32: '-msvc' }[/** @type {string} */ (platform)] || '';
  try {
    return require(`experiment-node-server-rs-${platform}-${arch}${libc}`);
  } catch {
    return undefined;
  }
}

function platformName() {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  return `${platform}-${arch}`;
}

function isMusl() {
  if (!process.report || typeof process.report.getReport !== 'function') return false;
  const report = /** @type {any} */ (process.report.getReport());
  return Boolean(report.header && !report.header.glibcVersionRuntime);
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

module.exports = load();
