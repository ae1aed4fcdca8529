'use strict';

const native = require('./native');

/** Reads and writes the cookie in which Amplitude's browser SDKs keep the device id. */
class AmplitudeCookie {
  /**
   * The cookie's name for an API key.
   * @param {string} amplitudeApiKey
   * @param {boolean} [newFormat] whether it is that of the Browser SDK 2.0
   * @returns {string}
   */
  static cookieName(amplitudeApiKey, newFormat = false) {
    // A key that is not a string fails as it does when a property of it is read.
    const key = String(amplitudeApiKey.substring(0));
    try {
      return native.cookieName(key, Boolean(newFormat));
    } catch (error) {
      const { code } = /** @type {any} */ (error);
      if (code === 'ERR_EXPERIMENT_PANIC') throw error;
      throw Object.assign(/** @type {Error} */ (error), { code: 'ERR_EXPERIMENT_COOKIE_KEY' });
    }
  }

  /**
   * The ids in a cookie's value.
   * @param {string} amplitudeCookie
   * @param {boolean} [newFormat]
   * @returns {{ device_id?: string, user_id?: string }}
   */
  static parse(amplitudeCookie, newFormat = false) {
    if (!newFormat) {
      const { deviceId, userId } = native.cookieParse(amplitudeCookie.split('\n').join('\n'));
      return { device_id: deviceId, user_id: userId };
    }
    if (amplitudeCookie === undefined || amplitudeCookie === null) {
      throw new TypeError(`Cannot read properties of ${amplitudeCookie} (reading 'split')`);
    }
    try {
      const { deviceId, userId } = JSON.parse(native.cookieDecode(String(amplitudeCookie)));
      return { device_id: deviceId, user_id: userId };
    } catch (error) {
      console.error(`Error parsing the Amplitude cookie: ${/** @type {Error} */ (error).message}`);
      return {};
    }
  }

  /**
   * A cookie value with a device id.
   * @param {string} deviceId
   * @param {boolean} [newFormat]
   * @returns {string}
   */
  static generate(deviceId, newFormat = false) {
    return newFormat ? native.cookieEncode(JSON.stringify({ deviceId })) : `${deviceId}..........`;
  }
}

module.exports = { AmplitudeCookie };
