'use strict';

/**
 * A program that tracks events and comes to some end: `node tracker.js JSON`. On standard output it says whom it has
 * tracked, a line each, as soon as it has: the user's id and the milliseconds since 1970.
 *
 * `exposure` and `assignment`: options of the pipelines. `users`: how many are tracked at once, named by `prefix`;
 * `everyMillis`: one more for as long as the process lives. `how`: the name of its end; `afterMillis`: how long until then.
 */

const fs = require('fs');
const { LocalEvaluationClient } = require('../..');
const { FLAGS, bootstrapOf } = require('./tracked');

const {
  exposure,
  assignment,
  users = 0,
  prefix = 'u',
  everyMillis,
  how,
  afterMillis = 0,
} = JSON.parse(process.argv[2]);

const client = new LocalEvaluationClient('k', {
  bootstrap: bootstrapOf(FLAGS),
  logLevel: 0,
  exposureConfig: exposure,
  assignmentConfig: assignment,
});

let tracked = 0;

function track() {
  const user = { user_id: `${prefix}${tracked++}` };
  client.evaluateV2(user, undefined, { tracksExposure: true });
  fs.writeSync(1, `${user.user_id} ${Date.now()}\n`);
}

const ENDS = {
  naturally() {},
  exit: () => process.exit(0),
  throw() {
    throw new Error('uncaught');
  },
  reject: () => void Promise.reject(new Error('unhandled')),
  kill: () => process.kill(process.pid, 'SIGKILL'),
  /** Until a signal comes, which a handler answers as programs do. */
  handle: () => {
    const alive = setInterval(() => {}, 1000);
    process.once('SIGTERM', () => {
      clearInterval(alive);
      client.stop();
      process.exit(3);
    });
    process.kill(process.pid, 'SIGTERM');
  },
  /** As above, but the signal is another's to send. */
  serve: () => {
    setInterval(() => {}, 1000);
    process.once('SIGTERM', () => process.exit(3));
    fs.writeSync(1, 'ready 0\n');
  },
  flush: () => client.flush(),
};

for (let i = 0; i < users; i++) track();
if (everyMillis) setInterval(track, everyMillis);
const end = ENDS[/** @type {keyof typeof ENDS} */ (how)];
if (afterMillis) setTimeout(end, afterMillis);
else end();
