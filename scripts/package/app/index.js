'use strict';

/** An application that knows nothing of the replacement: CommonJS. Prints what it got. */

const { Experiment, AmplitudeCookie, LogLevel } = require('@amplitude/experiment-node-server');
const { LocalEvaluationClient } = require('@amplitude/experiment-node-server/dist/src/local/client');
const { AmplitudeLogger } = require('@amplitude/experiment-node-server/dist/src/util/logger');
const { flags } = require('./flags');

const client = Experiment.initializeLocal('server-key', { bootstrap: flags });
const variants = client.evaluateV2({ user_id: 'user' });
console.log(
  JSON.stringify({
    variants,
    isSameClass: client instanceof LocalEvaluationClient,
    logger: typeof AmplitudeLogger,
    logLevel: LogLevel.Warn,
    cookie: AmplitudeCookie.cookieName('0123456789'),
  }),
);
