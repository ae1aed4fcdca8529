'use strict';

const { LogLevel } = require('./log-level');

/** @typedef {import('../index').LoggerProvider} LoggerProvider */

/** Passes on what the level lets through, to a provider that gets the message and one array. */
class Logger {
  /**
   * @param {any} [logLevel]
   * @param {LoggerProvider} [loggerProvider]
   */
  constructor(logLevel = LogLevel.Error, loggerProvider = new ConsoleLogger()) {
    this.logLevel = logLevel;
    this.loggerProvider = loggerProvider;
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  error(message, ...parameters) {
    if (LogLevel.Error <= this.logLevel) this.loggerProvider.error(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  warn(message, ...parameters) {
    if (LogLevel.Warn <= this.logLevel) this.loggerProvider.warn(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  info(message, ...parameters) {
    if (LogLevel.Info <= this.logLevel) this.loggerProvider.info(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  debug(message, ...parameters) {
    if (LogLevel.Debug <= this.logLevel) this.loggerProvider.debug(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  verbose(message, ...parameters) {
    if (LogLevel.Verbose <= this.logLevel) this.loggerProvider.verbose(message, parameters);
  }
}

/**
 * Logs to the console.
 * @implements {LoggerProvider}
 */
class ConsoleLogger {
  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  verbose(message, ...parameters) {
    console.log(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  debug(message, ...parameters) {
    console.debug(message, ...parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  info(message, ...parameters) {
    console.log(message, parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  warn(message, ...parameters) {
    console.warn(message, ...parameters);
  }

  /**
   * @param {any} [message]
   * @param {...any} parameters
   */
  error(message, ...parameters) {
    console.error(message, ...parameters);
  }
}

module.exports = { Logger, ConsoleLogger };
