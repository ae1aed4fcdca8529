'use strict';

const { FLAG_URLS } = require('./config');
const { define } = require('./evaluation/context');
const { Logger } = require('./logger');

/** The version of the package whose place this one takes: what servers are told. */
const LIBRARY = 'experiment-node-server/1.13.6';
const TIMEOUT_MILLIS = 5000;

/** Fetches all flag configs of a deployment, through a caller's HTTP client. */
class FlagConfigFetcher {
  /**
   * @param {string} apiKey
   * @param {import('../index').HttpClient} httpClient
   * @param {string} [serverUrl]
   * @param {import('../index').LogLevel} [logLevel]
   * @param {import('../index').LoggerProvider} [loggerProvider]
   */
  constructor(apiKey, httpClient, serverUrl = FLAG_URLS.us, logLevel, loggerProvider) {
    this.apiKey = apiKey;
    this.httpClient = httpClient;
    this.serverUrl = serverUrl;
    this.logger = new Logger(logLevel, loggerProvider);
    /** @type {((rules: string) => void) | undefined} */
    this.receiver = undefined;
  }

  /**
   * One request, without another try.
   * @returns {Promise<Record<string, any>>} the flags by key
   */
  async fetch() {
    const response = await this.httpClient.request(
      `${this.serverUrl}/sdk/v2/flags`,
      'GET',
      { Authorization: `Api-Key ${this.apiKey}`, 'X-Amp-Exp-Library': LIBRARY },
      /** @type {any} */ (null),
      TIMEOUT_MILLIS,
    );
    if (Number(response.status) !== 200) throw new Error(`Flags error response: status=${response.status}`);
    const flags = JSON.parse(response.body);
    if (flags === null) throw new TypeError("Cannot read properties of null (reading 'reduce')");
    if (!Array.isArray(flags)) throw new TypeError('flagsArray.reduce is not a function');
    /** @type {Record<string, any>} */
    const byKey = {};
    for (const flag of flags) {
      if (flag && typeof flag.key === 'string') define(byKey, flag.key, flag);
    }
    if (this.receiver) this.receiver(response.body);
    return byKey;
  }

  /**
   * Hands the JSON text of every later answer to a function.
   * @param {(rules: string) => void} rawReceiver
   */
  setRawReceiver(rawReceiver) {
    this.receiver = rawReceiver;
  }
}

module.exports = { FlagConfigFetcher, LIBRARY };
