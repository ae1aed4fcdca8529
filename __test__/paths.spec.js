'use strict';

/** The paths that editors import from by themselves, as JavaScript and as types. */

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const test = require('ava');
const ours = require('..');
const { application } = require('./support/application');

const NAME = '@amplitude/experiment-node-server';
const PATHS = [
  'types/user',
  'types/variant',
  'types/config',
  'types/fetch',
  'types/flag',
  'types/loglevel',
  'types/cohort',
  'types/transport',
  'index',
  'factory',
  'cookie',
  'local/client',
  'remote/client',
  'local/cache',
  'local/fetcher',
  'local/poller',
  'local/cohort/storage',
  'util/logger',
];
const STREAM = 'transport/stream';

/** What only upstream's own workings use. */
const INNER_TO_UPSTREAM = ['DEFAULT_STREAM_ERR_EVENTS', 'SdkStream'];

for (const name of [...PATHS, STREAM]) {
  test(`dist/src/${name} exports what upstream's does`, (t) => {
    const theirs = require(`${NAME}/dist/src/${name}`);
    const our = require(`../dist/src/${name}`);
    const keys = Object.keys(theirs).filter((key) => !INNER_TO_UPSTREAM.includes(key));
    t.deepEqual(
      keys.map((key) => [key, typeof our[key]]),
      keys.map((key) => [key, typeof theirs[key]]),
    );
    for (const key of keys) if (key in ours) t.is(our[key], ours[key], key);
  });
}

test("the inner files' constants and classes are upstream's", (t) => {
  const their = require(`${NAME}/dist/src/types/config`);
  const our = require('../dist/src/types/config');
  for (const name of [
    'EU_SERVER_URLS',
    'AssignmentConfigDefaults',
    'ExposureConfigDefaults',
    'CohortSyncConfigDefaults',
  ])
    t.deepEqual(our[name], their[name]);
  const plain = ({ loggerProvider, ...rest }) => Object.entries(rest);
  t.deepEqual(plain(our.LocalEvaluationDefaults), plain(their.LocalEvaluationDefaults));
  t.is(our.USER_GROUP_TYPE, 'User');
  t.true(new ours.LocalEvaluationClient('k').cohortStorage instanceof our.InMemoryCohortStorage);
});

test('require and import find the deep paths in an application, by every name that Node takes', async (t) => {
  const directory = application(t);
  const required = PATHS.concat(STREAM).flatMap((name) => [`dist/src/${name}`, `dist/src/${name}.js`]);
  const script = `
    import { createRequire } from 'node:module';
    import { LocalEvaluationClient } from '${NAME}/dist/src/local/client.js';
    import { Experiment, LogLevel } from '${NAME}';
    const require = createRequire(import.meta.url);
    const root = require('${NAME}');
    for (const name of ${JSON.stringify(['dist/src', ...required])}) {
      if (require('${NAME}/' + name).Experiment !== Experiment) throw new Error(name);
    }
    if (root.LocalEvaluationClient !== LocalEvaluationClient || root.LogLevel !== LogLevel) throw new Error('ESM');
  `;
  fs.writeFileSync(path.join(directory, 'main.mjs'), script);
  await t.notThrowsAsync(promisify(execFile)(process.execPath, ['main.mjs'], { cwd: directory }));
});

const TSC = path.join(__dirname, '..', 'node_modules', 'typescript', 'bin', 'tsc');
const RESOLUTIONS = {
  node10: { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true },
  node16: { module: 'node16', moduleResolution: 'node16' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
};

for (const [name, options] of Object.entries(RESOLUTIONS)) {
  test.serial(
    `a program for upstream compiles against this package (${name}), and what is not there does not`,
    async (t) => {
      const directory = application(t, ['@types/node', 'undici-types']);
      const program = fs.readFileSync(path.join(__dirname, 'types', 'program.ts'), 'utf8');
      const esm = program.replaceAll(/(dist\/src\/[\w/]+)'/g, "$1.js'");
      fs.writeFileSync(path.join(directory, 'program.ts'), program);
      fs.writeFileSync(path.join(directory, 'module.mts'), esm);
      const wrong = `import { LocalEvaluationClient } from '${NAME}';
      import { hash } from '${NAME}/dist/src/util/hash';
      new LocalEvaluationClient(5);`;
      fs.writeFileSync(path.join(directory, 'wrong.ts'), wrong);
      const compilerOptions = { target: 'es2021', strict: true, noEmit: true, types: ['node'], ...options };
      const compile = async (files) => {
        const config = path.join(directory, `tsconfig.${files[0]}.json`);
        fs.writeFileSync(config, JSON.stringify({ compilerOptions, files }));
        return promisify(execFile)(process.execPath, [TSC, '-p', config], { cwd: directory }).then(
          ({ stdout }) => stdout,
          ({ stdout }) => stdout,
        );
      };
      t.is(await compile(['program.ts', 'module.mts']), '');
      const errors = await compile(['wrong.ts']);
      t.regex(errors, /wrong\.ts\(2,.*TS2307/);
      t.regex(errors, /wrong\.ts\(3,.*TS2345/);
    },
  );
}
