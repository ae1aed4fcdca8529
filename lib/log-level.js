'use strict';

/**
 * What is logged: the level and everything more severe.
 * @type {typeof import('../index').LogLevel}
 */
const LogLevel = /** @type {any} */ ({});

['Disable', 'Error', 'Warn', 'Info', 'Debug', 'Verbose'].forEach((name, level) => {
  /** @type {any} */ (LogLevel)[name] = level;
  /** @type {any} */ (LogLevel)[level] = name;
});

module.exports = { LogLevel };
