'use strict';

/**
 * Runs the application: `node examples/express/server.js [port]`. Without AMPLITUDE_DEPLOYMENT_KEY it brings its own Amplitude, the
 * emulator, so that it runs anywhere.
 */

const { Experiment } = require('../..');
const { Emulator } = require('../../emulator');
const world = require('../quickstart/flags.json');
const { createApp } = require('./app');

/** How long requests may take to end when the server is told to stop. */
const SHUTDOWN_MILLIS = 10000;

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

async function main() {
  const deploymentKey = process.env.AMPLITUDE_DEPLOYMENT_KEY;
  const emulator = deploymentKey ? undefined : await Emulator.start(world);
  const key = deploymentKey || world.deploymentKey;
  const urls = emulator ? { serverUrl: emulator.url } : {};

  const local = Experiment.initializeLocal(key, urls);
  const remote = Experiment.initializeRemote(key, { ...urls, fetchTimeoutMillis: 1000, fetchRetries: 1 });
  // Without flags the pages would show their defaults, so the server listens only once they are there.
  await local.start();

  const app = createApp({ local, remote, apiKey: process.env.AMPLITUDE_API_KEY || world.apiKey });
  const server = app.listen(Number(process.argv[2] || 3000), '127.0.0.1', (error) => {
    if (error) throw error;
    const address = /** @type {import('net').AddressInfo} */ (server.address());
    console.log(`listening at http://127.0.0.1:${address.port}`);
  });

  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void shutDown());

  // Requests that have begun are answered; then everything ends, and with it the process.
  async function shutDown() {
    const limit = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MILLIS);
    await new Promise((resolve) => server.close(resolve));
    clearTimeout(limit);
    local.stop();
    if (emulator) await emulator.close();
    console.log('stopped');
  }
}
