'use strict';

/**
 * Lays out what is published: `build/npm/<package>` for the main package and for every platform whose addon has been
 * built into `native/`. The JavaScript goes into one file, which loads several times faster than many.
 *
 * `npm publish build/npm/<package>` publishes one of them.
 */

const fs = require('node:fs');
const path = require('node:path');
const esbuild = require('esbuild');

const root = path.join(__dirname, '..');
const OUT = path.join(root, 'build', 'npm');

/** What the package needs of this file when it is installed. */
const KEPT = [
  'name',
  'version',
  'description',
  'license',
  'author',
  'keywords',
  'main',
  'types',
  'typesVersions',
  'bin',
  'engines',
];
/** Copied as they are. */
const COPIED = [
  'index.js',
  'index.d.ts',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'dist',
  'emulator/index.d.ts',
  'emulator/README.md',
];
/** Bundled, each into one file of the same name. What they require of each other's place stays outside. */
const BUNDLED = ['lib/index.js', 'emulator/index.js', 'emulator/cli.js'];
const OUTSIDE = ['..', './index', '../native/index.js'];
/** The oldest Node that has to understand the result. */
const TARGET = 'node14.17';

/** @param {string} file */
const read = (file) => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));

/** @returns {{ directory: string, name: string }[]} the packages laid out, the main one first */
function stage() {
  fs.rmSync(OUT, { recursive: true, force: true });
  const manifest = read('package.json');
  const platforms = fs.readdirSync(path.join(root, 'npm')).sort();
  return [
    main(manifest, platforms),
    ...platforms.flatMap((platform) => {
      const binary = `${manifest.napi.binaryName}.${platform}.node`;
      return fs.existsSync(path.join(root, 'native', binary)) ? [platformPackage(platform, binary)] : [];
    }),
  ];
}

/**
 * @param {any} manifest
 * @param {string[]} platforms
 */
function main(manifest, platforms) {
  const directory = path.join(OUT, manifest.name);
  for (const name of COPIED) {
    fs.cpSync(path.join(root, name), path.join(directory, name), { recursive: true });
  }
  for (const file of BUNDLED) bundle(file, path.join(directory, file));
  bundle('native/index.js', path.join(directory, 'native/index.js'), ['*']);
  fs.writeFileSync(path.join(directory, 'lib/deep.js'), deep());
  const kept = Object.fromEntries(KEPT.map((name) => [name, manifest[name]]));
  const optionalDependencies = Object.fromEntries(
    platforms.map((platform) => [`${manifest.name}-${platform}`, manifest.version]),
  );
  write(directory, { ...kept, optionalDependencies });
  return { directory, name: manifest.name };
}

/**
 * @param {string} platform
 * @param {string} binary
 */
function platformPackage(platform, binary) {
  const manifest = read(`npm/${platform}/package.json`);
  const directory = path.join(OUT, manifest.name);
  write(directory, manifest);
  fs.copyFileSync(path.join(root, 'native', binary), path.join(directory, binary));
  fs.copyFileSync(path.join(root, 'LICENSE'), path.join(directory, 'LICENSE'));
  fs.copyFileSync(path.join(root, 'npm', platform, 'README.md'), path.join(directory, 'README.md'));
  return { directory, name: manifest.name };
}

/**
 * @param {string} directory
 * @param {any} manifest
 */
function write(directory, manifest) {
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * @param {string} file
 * @param {string} outfile
 * @param {string[]} outside
 */
function bundle(file, outfile, outside = OUTSIDE) {
  esbuild.buildSync({
    entryPoints: [path.join(root, file)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: TARGET,
    external: outside,
    define: { PUBLISHED: 'true' },
    // Names stay: they are in stack traces.
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'error',
  });
}

/** The module behind the files below `dist/src`, with the names that Node looks for. */
function deep() {
  const names = Object.keys(require('../lib/deep'));
  return `'use strict';\nmodule.exports = require('./index').deep;\n0 && (module.exports = { ${names.join(', ')} });\n`;
}

module.exports = { stage };

if (require.main === module) for (const { directory } of stage()) console.log(path.relative(root, directory));
