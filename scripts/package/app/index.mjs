/** The same by ES modules. */

import { Experiment, AmplitudeCookie, LogLevel } from '@amplitude/experiment-node-server';
import { LocalEvaluationClient } from '@amplitude/experiment-node-server/dist/src/local/client.js';
import { AmplitudeLogger } from '@amplitude/experiment-node-server/dist/src/util/logger.js';
import { flags } from './flags.js';

const client = Experiment.initializeLocal('server-key', { bootstrap: flags });
console.log(
  JSON.stringify({
    variants: client.evaluateV2({ user_id: 'user' }),
    isSameClass: client instanceof LocalEvaluationClient,
    logger: typeof AmplitudeLogger,
    logLevel: LogLevel.Warn,
    cookie: AmplitudeCookie.cookieName('0123456789'),
  }),
);
