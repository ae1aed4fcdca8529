#!/usr/bin/env node
'use strict';

/** The emulator from a command line. */

const fs = require('fs');
const path = require('path');
const emulator = /** @type {any} */ (require('./index'));

/** @typedef {import('./emulator').Emulator} Emulator */
const Emulator = /** @type {typeof import('./emulator').Emulator} */ (emulator.Emulator);
const parseFile = /** @type {typeof import('./world').parseFile} */ (emulator.parseFile);

const HELP = `Usage: experiment-emulator [options]

A local Amplitude Experiment: flags, remote evaluation, cohorts, the flag stream and the event endpoints.

  --file FILE    JSON: {"deploymentKey", "apiKey", "secretKey", "flags": [...], "cohorts": [...]}, all of them optional
  --watch        read the file again when it changes, and push its flags to open streams
  --port PORT    default 8080; 0 takes a free one
  --host HOST    default 127.0.0.1
  --cert FILE    with --key FILE: serve https
  --quiet        do not print requests
  --help         this text

While it runs, GET /emulator shows what it serves; emulator/README.md describes the rest.`;

const FLAGS = ['watch', 'quiet', 'help'];
const VALUES = ['file', 'port', 'host', 'cert', 'key'];

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

/** @param {string[]} args */
async function main(args) {
  const options = parseArguments(args);
  if (options.help) return void console.log(HELP);
  const { file, host } = options;
  const emulator = await Emulator.start({
    ...(file ? readFile(file) : {}),
    port: parsePort(options.port),
    ...(host ? { host } : {}),
    ...tlsOf(options),
    ...(options.quiet ? {} : { onRequest: printRequest }),
  });
  console.log(`Amplitude Experiment emulator at ${emulator.url}`);
  console.log(
    `${emulator.flags.length} flags, ${emulator.world.cohorts.size} cohorts. Point a client at it with`,
  );
  console.log(`  { serverUrl: '${emulator.url}', streamServerUrl: '${emulator.url}',`);
  console.log(
    `    cohortSyncConfig: { cohortServerUrl: '${emulator.url}', ... }, exposureConfig: { serverUrl: '${emulator.url}/2/httpapi', ... } }`,
  );
  const stopWatching = options.watch && file ? watch(file, emulator) : () => {};
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      stopWatching();
      void emulator.close();
    });
  }
}

/**
 * @param {string[]} args
 * @returns {Record<string, string | undefined>}
 */
function parseArguments(args) {
  /** @type {Record<string, string>} */
  const options = {};
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i].replace(/^--/, '').split(/=(.*)/s);
    if (args[i].startsWith('--') && FLAGS.includes(name)) options[name] = 'yes';
    else if (args[i].startsWith('--') && VALUES.includes(name)) {
      const value = inline === undefined ? args[++i] : inline;
      if (value === undefined) throw new Error(`--${name} needs a value`);
      options[name] = value;
    } else throw new Error(`unknown argument ${args[i]}\n\n${HELP}`);
  }
  return options;
}

/** @param {string | undefined} text */
function parsePort(text = '8080') {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error(`--port must be from 0 to 65535, not ${text}`);
  return port;
}

/** @param {Record<string, string | undefined>} options */
function tlsOf({ cert, key }) {
  if (!cert && !key) return {};
  if (!cert || !key) throw new Error('--cert and --key go together');
  return { tls: { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } };
}

/** @param {string} file */
function readFile(file) {
  try {
    return parseFile(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * Follows a file; one that cannot be read leaves what is served as it was.
 * @param {string} file
 * @param {Emulator} emulator
 * @returns {() => void} ends it
 */
function watch(file, emulator) {
  // Looking at the file itself also works where editors replace it and on mounted file systems.
  fs.watchFile(path.resolve(file), { interval: 200 }, () => {
    try {
      emulator.load(readFile(file));
      console.log(`read ${file} again: ${emulator.flags.length} flags`);
    } catch (error) {
      console.error(`kept what was served: ${/** @type {Error} */ (error).message}`);
    }
  });
  return () => fs.unwatchFile(path.resolve(file));
}

/** @param {import('./index').RecordedRequest} record */
function printRequest({
  endpoint,
  method,
  path: target,
  status,
  outcome,
  receivedAt,
  endedAt = receivedAt,
  failure,
}) {
  const time = new Date(receivedAt).toISOString().slice(11, 23);
  const result = outcome === 'answered' ? status : 'broken off';
  const told = failure ? ` (told to: ${failure})` : '';
  console.log(
    `${time} ${endpoint || 'unknown'} ${method} ${target} ${result} ${Math.round(endedAt - receivedAt)} ms${told}`,
  );
}
