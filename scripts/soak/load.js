'use strict';

/**
 * The load of the soak, in a process of its own: `node load.js URL SECONDS RATE`. So many requests a second, over
 * connections that are kept. Prints what autocannon found, as JSON.
 */

const { installed } = require('../../benches/peers/installed');

const [url, seconds, rate] = process.argv.slice(2);
const autocannon = installed('../../benches/peers/node_modules/autocannon');

autocannon({
  url: `${url}/api/variants`,
  connections: 20,
  duration: Number(seconds),
  overallRate: Number(rate),
}).then(
  (/** @type {any} */ { latency, requests, errors, timeouts, non2xx, '2xx': ok }) => {
    const { p50, p90, p99, p99_9, max } = latency;
    process.stdout.write(
      JSON.stringify({ p50, p90, p99, p99_9, max, sent: requests.sent, ok, errors, timeouts, non2xx }),
    );
  },
  (/** @type {unknown} */ error) => {
    console.error(error);
    process.exit(1);
  },
);
