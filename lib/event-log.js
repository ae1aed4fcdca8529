'use strict';

/**
 * Where the lines of an event pipeline go: to the `loggerProvider` of its options, which is analytics' kind of logger, or
 * to the console.
 */

/** Analytics' own log levels, which are also the numbers of a provider's methods. */
const WARN = 2;
const METHODS = ['error', 'warn', 'log', 'debug'];

/**
 * @param {any} config `exposureConfig` or `assignmentConfig`
 * @returns {(level: number, message: string) => void}
 */
function eventLog(config) {
  const { loggerProvider: provider } = config;
  const logLevel = config.logLevel === undefined || config.logLevel === null ? WARN : config.logLevel;
  const has = (/** @type {string} */ name) => Boolean(provider) && typeof provider[name] === 'function';
  // Who is told the level does the filtering.
  const filters = has('enable');
  const say = (/** @type {number} */ level, /** @type {string} */ message) => {
    if (!filters && level > logLevel) return;
    const name = METHODS[level - 1];
    if (has(name)) provider[name](message);
    else if (level <= logLevel) toConsole(name, message);
  };
  if (provider) {
    const missing = ['enable', ...METHODS].filter((name) => !has(name));
    if (missing.length > 0) tolerate(() => say(WARN, `loggerProvider has no ${missing.join(', no ')}`));
    if (filters) tolerate(() => provider.enable(logLevel));
  }
  return say;
}

/**
 * @param {string} method
 * @param {string} message
 */
function toConsole(method, message) {
  const name = method[0].toUpperCase() + method.slice(1);
  const write = method === 'error' ? console.error : method === 'warn' ? console.warn : console.log;
  write(`Amplitude Logger [${name}]: ${message}`);
}

/** @param {() => void} run something of the caller's, whose failure must not be that of making a client */
function tolerate(run) {
  try {
    run();
  } catch (error) {
    toConsole('error', `the loggerProvider threw: ${error instanceof Error ? error.message : String(error)}`);
  }
}

module.exports = { eventLog };
