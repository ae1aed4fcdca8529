'use strict';

/**
 * A program whose client is kept up to date by whatever its environment says: `node synced.js URL poll|stream`. Prints
 * what the flag is after the start, and again once it has changed; or why there was no start.
 */

const { LocalEvaluationClient } = require('../..');

const [url, mode] = process.argv.slice(2);

const client = new LocalEvaluationClient('server-key', {
  serverUrl: url,
  streamServerUrl: url,
  streamUpdates: mode === 'stream',
  streamFlagConnTimeoutMillis: 10_000,
  flagConfigPollingIntervalMillis: 50,
  cohortSyncConfig: { apiKey: 'api', secretKey: 'secret', cohortServerUrl: url },
  logLevel: 0,
});
const value = () => {
  const variant = client.evaluateV2({ user_id: 'ada' }).flag;
  return variant && variant.value;
};

main().then(
  () => client.stop(),
  (error) => console.log(`failed ${error.code}`),
);

async function main() {
  await client.start();
  const first = value();
  console.log(first);
  while (value() === first) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(value());
}
