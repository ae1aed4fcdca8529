'use strict';

/**
 * The charts, as Vega-Lite specifications. In: what the benches measured. Out: one specification a chart, by the name of
 * its file. `draw.js` makes SVG of them.
 *
 * @typedef {import('./document').Results} Results
 */

const OURS = 'experiment-node-server-rs';
const ORIGINAL = '@amplitude/experiment-node-server';
/** Ours stands out; the others are told apart. */
const COLOURS = ['#d62728', '#555555', '#1f77b4', '#9467bd', '#2ca02c', '#8c564b', '#17becf'];
const LOOKS = {
  config: {
    font: 'sans-serif',
    background: 'white',
    axis: { labelFontSize: 11, titleFontSize: 12, labelLimit: 300 },
    legend: { labelLimit: 300 },
  },
};

/** @param {string[]} names */
function colour(names) {
  return {
    field: 'package',
    type: 'nominal',
    title: null,
    scale: { domain: names, range: COLOURS },
  };
}

/**
 * @param {Results} results
 * @returns {Record<string, object>}
 */
function charts({ peers, remote, sync, startup }) {
  const names = peers.peers.map(({ name }) => name);
  return {
    evaluation: evaluation(peers, names),
    'one-key': oneKey(peers),
    remote: remoteFetch(remote),
    sync: syncing(sync),
    startup: bars(
      startup.map(({ name, nanoseconds }) => ({ package: name, value: nanoseconds / 1e6 })),
      'require, milliseconds in a fresh process',
      false,
    ),
    size: bars(
      startup.map(({ name, bytes }) => ({ package: name, value: bytes / 2 ** 20 })),
      'installed with its dependencies, MiB',
      false,
    ),
  };
}

/**
 * @param {Results['peers']} peers
 * @param {string[]} names
 */
function evaluation({ cases, peers }, names) {
  const values = peers.flatMap(({ name, nanoseconds }) =>
    cases.flatMap((text, i) => {
      const flags = /^(\d+) flags?$/.exec(text);
      return flags ? [{ package: name, flags: Number(flags[1]), micros: nanoseconds[i] / 1e3 }] : [];
    }),
  );
  return {
    ...LOOKS,
    title: 'All flags for one user: microseconds a call, by number of flags',
    width: 560,
    height: 320,
    data: { values },
    mark: { type: 'line', point: true, strokeWidth: 2.5 },
    encoding: {
      x: {
        field: 'flags',
        type: 'quantitative',
        title: 'flags',
        scale: { type: 'log' },
        axis: { values: [1, 10, 100, 500] },
      },
      y: {
        field: 'micros',
        type: 'quantitative',
        title: 'microseconds (logarithmic; lower is better)',
        scale: { type: 'log' },
        axis: { values: [0.1, 1, 10, 100, 1000, 10_000] },
      },
      color: colour(names),
    },
  };
}

/** @param {Results['peers']} peers */
function oneKey({ cases, peers }) {
  const index = cases.findIndex((text) => text.startsWith('1 key of 500'));
  const values = peers.map(({ name, nanoseconds }) => ({ package: name, value: nanoseconds[index] / 1e3 }));
  return bars(values, 'one flag of 500: microseconds a call (logarithmic; lower is better)', true);
}

/** @param {Results['remote']} remote */
function remoteFetch(remote) {
  return grouped({
    title: 'fetchV2: fetches a second by how many are under way (higher is better)',
    values: remote.flatMap(({ server, inFlight, upstream, ours }) =>
      ofBoth(ours, upstream).map(([name, { perSecond }]) => ({
        package: name,
        panel: `server: ${server}`,
        group: `${inFlight} under way`,
        value: perSecond,
      })),
    ),
  });
}

/** @param {Results['sync']} sync */
function syncing({ cohorts }) {
  return grouped({
    title: 'A cohort of a million members through start() (lower is better)',
    values: cohorts.flatMap(({ title, upstream, ours }) =>
      ofBoth(ours, upstream).flatMap(([name, { longest, bytes }]) => [
        { package: name, group: title, panel: 'longest stall of the event loop, ms', value: longest / 1e6 },
        { package: name, group: title, panel: 'memory kept, MiB', value: bytes / 2 ** 20 },
      ]),
    ),
  });
}

/**
 * @template T
 * @param {T} ours
 * @param {T | undefined} upstream
 * @returns {[string, T][]} by the names of the packages
 */
function ofBoth(ours, upstream) {
  return upstream === undefined
    ? [[OURS, ours]]
    : [
        [OURS, ours],
        [ORIGINAL, upstream],
      ];
}

/**
 * Bars of both packages side by side, in groups, in panels with scales of their own.
 * @param {{ title: string, values: { package: string, panel: string, group: string, value: number }[] }} what
 */
function grouped({ title, values }) {
  const names = [OURS, ORIGINAL];
  return {
    ...LOOKS,
    title,
    data: { values },
    facet: { column: { field: 'panel', title: null, sort: null } },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 260,
      height: 240,
      mark: 'bar',
      encoding: {
        x: { field: 'group', type: 'nominal', title: null, sort: null, axis: { labelAngle: 0 } },
        xOffset: { field: 'package', sort: names },
        y: { field: 'value', type: 'quantitative', title: null },
        color: colour(names),
      },
    },
  };
}

/**
 * @param {{ package: string, value: number }[]} values
 * @param {string} title
 * @param {boolean} isLogarithmic
 */
function bars(values, title, isLogarithmic) {
  const inOrder = [...values].sort((a, b) => a.value - b.value).map((one) => one.package);
  return {
    ...LOOKS,
    width: 460,
    data: { values: values.map((value) => ({ ...value, text: value.value.toPrecision(3) })) },
    encoding: {
      y: { field: 'package', type: 'nominal', title: null, sort: inOrder },
      x: { field: 'value', type: 'quantitative', title, scale: isLogarithmic ? { type: 'log' } : {} },
    },
    layer: [
      {
        mark: isLogarithmic ? { type: 'point', filled: true, size: 90 } : 'bar',
        encoding: {
          color: { condition: { test: `datum.package == '${OURS}'`, value: COLOURS[0] }, value: '#9aa5b1' },
        },
      },
      { mark: { type: 'text', align: 'left', dx: 6 }, encoding: { text: { field: 'text' } } },
    ],
  };
}

module.exports = { charts, OURS, ORIGINAL };
