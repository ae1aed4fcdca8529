'use strict';

/**
 * The published benchmarks, as Markdown. In: what the benches measured, and on what. Out: `docs/benchmarks.md`, and the
 * part of the README that repeats its first figures. Pure, so that a test can read it.
 *
 * @typedef {object} Results
 * @property {import('./machine').About & { run: 'full' | 'short' }} about
 * @property {string[]} missed the benches that have missed a goal
 * @property {import('../evaluate').Row[]} evaluate
 * @property {import('../peers').Result} peers
 * @property {import('../events').Result} events
 * @property {import('../sync').Found} sync
 * @property {import('../remote').Row[]} remote
 * @property {import('../startup').Row[]} startup
 */

const { duration, mebibytes } = require('../measure');
const { ORIGINAL, OURS } = require('./charts');
const { BEHIND, explained, leastIsBest, table } = require('./markdown');

/**
 * @param {Results} results
 * @returns {string}
 */
function benchmarks(results) {
  return `${[
    introduction(results),
    localEvaluation(results.peers),
    againstTheOriginal(results.evaluate),
    tracking(results.events),
    syncing(results.sync),
    remoteFetch(results.remote),
    startup(results.startup),
  ].join('\n\n')}\n`;
}

/** @param {Results} results */
function introduction({ about, missed, peers }) {
  const versions = peers.peers.map(({ name, version }) => `${name} ${version}`).join(', ');
  return `# Benchmarks

Everything here is measured and written by one command, \`npm run bench:all\`, in one run on one machine. Do not edit it by hand.

${table(
  ['', ''],
  [
    ['Date', `${about.date}, commit ${about.commit}, a ${about.run} run`],
    ['Processor', `${about.processor}, ${about.cores} cores`],
    ['Memory', about.memory],
    ['System', about.system],
    ['Load average before the run', about.load],
    ['Node.js', about.node],
    ['Rust', about.rust],
    ['Packages', versions],
    [
      'Goals missed in this run',
      missed.length > 0 ? missed.map((name) => `\`benches/${name}.js\``).join(', ') : 'none',
    ],
  ],
)}

Packages take turns, so that a slow moment of the machine meets them all, and medians are given. Where the system tells (Linux), the time in which
a thread waited for a processor that others had is taken off times of calls and stalls. ${BEHIND} marks every figure of ours that another package is
ahead of. Ratios carry over to other machines better than times do.`;
}

/** @param {Results['peers']} peers */
function localEvaluation({ cases, peers }) {
  const rows = peers.map(({ name, nanoseconds }) => ({ name, values: nanoseconds }));
  const times = table(['one call for one user', ...cases], leastIsBest(rows, OURS, duration));
  return `## Local evaluation: all flags, or one among many

![All flags for one user, by number of flags](charts/evaluation.svg)

${explained(times, 'Another package answers this call sooner.')}

![One flag of 500](charts/one-key.svg)

Every package has the same rules, in its own format: for each flag two ids by which testers are included, two conditions of ten kinds (lists, versions,
numbers, substrings, sets, groups), then a rollout to 80 % of all others, half of them \`control\`, half \`treatment\`
([benches/flags.js](../benches/flags.js), without dependencies and payloads, which not all of them have). Each runs in a process of its own, offline, warm, without
events and exposures. Users are made into what the package wants before the clock runs. 64 users take turns.

The calls, and what was checked before anything was timed: for 3,000 different users and 30 flags, all answers that conditions decide are the same, and shares of
those that hashing decides differ by no more than chance allows.

${table(
  ['package', 'all flags', 'one flag', 'answers that conditions decide', 'shares differ by at most'],
  peers.map(({ name, allCall, oneCall, decided, shares }) => [
    name,
    `\`${allCall}\``,
    `\`${oneCall}\``,
    `${decided.toLocaleString('en')}, all the same`,
    `${(shares * 100).toFixed(1)} %`,
  ]),
)}

What each call gives differs. \`evaluateV2\` gives a fresh object for each flag, with its value, payload and metadata. LaunchDarkly's calls are asynchronous,
so that a turn of the microtask queue is in them. Unleash has no lists in its context: sets are looked for in a joined text.`;
}

/** @param {Results['evaluate']} rows */
function evaluationTable(rows) {
  return table(
    ['`evaluateV2`', 'original', 'this package', 'times faster'],
    rows.map(({ name, upstream, ours }) => [
      name,
      duration(upstream),
      duration(ours),
      timesAs(upstream / ours),
    ]),
  );
}

/** @param {Results['evaluate']} rows */
function againstTheOriginal(rows) {
  return `## \`evaluateV2\` against the original, in one process

${evaluationTable(rows)}

As above, with dependencies, payloads, and a cohort for every third flag; \`npm run bench\`. Both clients are in one process, which is less kind to both.
Making the results alone takes ${rows.map(({ name, results }) => `${duration(results)} (${name})`).join(', ')}: no binding of this kind can be faster.`;
}

/** @param {Results['events']} events */
function tracking({ costs, delivery, hanging }) {
  const written = table(
    [
      'flags',
      'original: evaluation',
      'tracking adds',
      'this package: evaluation',
      'tracking adds',
      'times less',
    ],
    costs.map(({ flags, upstream, ours }) => [
      String(flags),
      ...[upstream.plain, upstream.adds, ours.plain].map(duration),
      // Within what the clock tells apart it is nothing.
      ours.adds > 0 ? duration(ours.adds) : 'not measurable',
      ours.adds > 0 ? timesAs(upstream.adds / ours.adds) : '',
    ]),
  );
  return `## Tracking exposures: time of the event loop

${written}

Time of the event loop that an evaluation takes with all that it leaves to later turns, every user a new one; \`npm run bench:events\`. This package delivers
${delivery.tracked.toLocaleString('en')} queued events in ${duration(delivery.nanoseconds)} (${delivery.taken.toLocaleString('en')} arrived), with a longest stall of
the event loop of ${duration(delivery.longest)}. While a server hangs for ${hanging.seconds} s and ${hanging.tracked.toLocaleString('en')} events are tracked, memory grows by
${mebibytes(hanging.most)}; the queue is bounded by bytes.`;
}

/** @param {Results['sync']} sync */
function syncing({ cohorts, updates }) {
  const rows = cohorts.flatMap(({ title, members, upstream, ours }) =>
    Object.entries({ original: upstream, 'this package': ours }).flatMap(([name, found]) =>
      found
        ? [
            [
              `${members.toLocaleString('en')} members, ${title}`,
              name,
              duration(found.longest),
              duration(found.nanoseconds),
              mebibytes(found.bytes),
            ],
          ]
        : [],
    ),
  );
  const changes = updates.flatMap(({ title, flags, upstream, ours }) =>
    Object.entries({ original: upstream, 'this package': ours }).map(([name, found]) => [
      `${flags.toLocaleString('en')} flags, ${title}`,
      name,
      duration(found.longest),
      duration(found.idle),
    ]),
  );
  return `## Syncing: stalls of the event loop, and memory

![A cohort of a million members](charts/sync.svg)

${table(['a cohort through `start()`', '', 'longest stall', '`start()`', 'memory kept'], rows)}

${table(['an update', '', 'longest stall', 'of the same evaluations without one'], changes)}

Each round in a fresh process, the server in another; \`npm run bench:sync\`. Of the longest stalls of the rounds the shortest is given: what a
program does to its event loop it does in every round.`;
}

/** @param {Results['remote']} rows */
function remoteFetch(rows) {
  const lines = rows.flatMap(({ server, inFlight, upstream, ours }) => {
    const values = (/** @type {import('../remote').Load} */ load) => [
      -load.perSecond,
      load.p50,
      load.p99,
      load.cpu,
      load.loop,
    ];
    const text = (/** @type {number} */ value, /** @type {number} */ column) =>
      column === 0 ? (-value).toFixed(0) : duration(value);
    return leastIsBest(
      [
        { name: ORIGINAL, values: values(upstream) },
        { name: OURS, values: values(ours) },
      ],
      OURS,
      text,
    ).map((cells) => [server, String(inFlight), ...cells]);
  });
  const written = table(
    [
      'server',
      'under way',
      '',
      'fetches a second',
      'median',
      '99th percentile',
      'processor a fetch',
      'event loop a fetch',
    ],
    lines,
  );
  return `## Remote evaluation: \`fetchV2\`

![Fetches a second](charts/remote.svg)

${explained(
  written,
  'A request leaves the JavaScript thread and its answer comes back to it: two hand-overs between threads, which the original does not have. They show where nothing else is to be done, with one request under way to a server that takes no time.',
)}

20 flags an answer, on loopback, over kept connections, nothing compressed; \`npm run bench:remote\`. Each package has a process, and the server has one: the emulator,
which evaluates each request, or a lean one that answers with the same bytes as fast as a socket takes them. On two cores the emulator is the bottleneck from
10 under way on, so that the lean server tells more about the clients.`;
}

/** @param {Results['startup']} rows */
function startup(rows) {
  const lines = leastIsBest(
    rows.map(({ name, nanoseconds, memory, packages, files, bytes }) => ({
      name,
      values: [nanoseconds, memory, packages, files, bytes],
    })),
    OURS,
    (value, column) =>
      column === 0 ? duration(value) : column === 1 || column === 4 ? mebibytes(value) : String(value),
  );
  const written = table(
    ['', '`require`', 'resident memory after', 'packages', 'files', 'installed size'],
    lines,
  );
  return `## Starting, and what is installed

![require](charts/startup.svg)

![Installed size](charts/size.svg)

${explained(
  written,
  'Packages in JavaScript alone are smaller than a native addon, which brings its own HTTP, TLS and regular expressions; and a small module is read sooner than an addon of some megabytes is mapped.',
)}

Fresh processes; \`npm run bench:startup\`. Files with all dependencies as npm installs them on this platform. Ours are the packages as they are published,
addon included. Some of the others load more at their first client.`;
}

/** @param {number} ratio */
function timesAs(ratio) {
  return ratio < 10 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString('en');
}

/**
 * The part of the README: the chart that matters most, and the table of `npm run bench`.
 * @param {Results} results
 */
function summary({ about, evaluate }) {
  return `![All flags for one user, by number of flags](docs/charts/evaluation.svg)

${evaluationTable(evaluate)}

${about.processor}, ${about.cores} cores, Node ${about.node.slice(1)}. \`npm run bench:all\` measures all of it again, and writes it into [docs/benchmarks.md](docs/benchmarks.md): five
other products, tracking, syncing, remote evaluation, starting and size, the losing cells marked. The flags are those of [benches/flags.js](benches/flags.js): four conditions and a rollout
each, users with a dozen properties. Your ratio depends on what your flags ask.`;
}

module.exports = { benchmarks, summary };
