'use strict';

/** This package and the one that it replaces, as peers. */

const { installed } = require('./installed');

/** @typedef {import('./peer').Peer} Peer */

/**
 * @param {string} name
 * @param {string} path what is required
 * @returns {Peer}
 */
function amplitude(name, path) {
  return {
    name,
    allCall: 'client.evaluateV2(user)',
    oneCall: 'client.evaluateV2(user, [key])',
    async open(flags) {
      const { LocalEvaluationClient } = installed(path);
      const bootstrap = Object.fromEntries(flags.map((flag) => [flag.key, flag]));
      const client = new LocalEvaluationClient('server-key', { bootstrap, logLevel: 0 });
      return {
        context: (user) => user,
        all: (user) => client.evaluateV2(user),
        one: (user, key) => client.evaluateV2(user, [key]),
        variant: (answer) => Object.values(/** @type {Record<string, any>} */ (answer))[0].key,
        variants: (answer) =>
          Object.fromEntries(
            Object.entries(/** @type {Record<string, any>} */ (answer)).map(([key, variant]) => [
              key,
              variant.key,
            ]),
          ),
        close: () => {},
      };
    },
  };
}

const ours = amplitude('experiment-node-server-rs', '../..');
const upstream = amplitude('@amplitude/experiment-node-server', '@amplitude/experiment-node-server');

module.exports = { ours, upstream };
