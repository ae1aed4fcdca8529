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
const { writeEsModules } = require('./one-scope');

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
  'index.d.ts',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'dist',
  'emulator/index.d.ts',
  'emulator/README.md',
];
/** Bundled, each into one file of the same name. What they require of each other's place stays outside. */
const BUNDLED = ['emulator/index.js', 'emulator/cli.js'];
const OUTSIDE = ['..', './index'];
const LOADER = './native/index.js';
/** Where the main file keeps what the inner paths export: unseen by whoever looks at the exports. */
const DEEP = "Symbol.for('experiment-node-server-rs.deep')";
/** The oldest Node that has to understand the result. */
const TARGET = 'node14.17';

/** @param {string} file */
const read = (file) => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));

/**
 * @param {string} [out] where they are laid out
 * @returns {{ directory: string, name: string }[]} the packages laid out, the main one first
 */
function stage(out = OUT) {
  fs.rmSync(out, { recursive: true, force: true });
  const manifest = read('package.json');
  const platforms = fs.readdirSync(path.join(root, 'npm')).sort();
  return [
    main(out, manifest, platforms),
    ...platforms.flatMap((platform) => {
      const binary = `${manifest.napi.binaryName}.${platform}.node`;
      return fs.existsSync(path.join(root, 'native', binary)) ? [platformPackage(out, platform, binary)] : [];
    }),
  ];
}

/**
 * @param {string} out
 * @param {any} manifest
 * @param {string[]} platforms
 */
function main(out, manifest, platforms) {
  const directory = path.join(out, manifest.name);
  for (const name of COPIED) {
    fs.cpSync(path.join(root, name), path.join(directory, name), { recursive: true });
  }
  bundleFace(path.join(directory, 'index.js'));
  fs.mkdirSync(path.join(directory, 'lib'));
  fs.writeFileSync(path.join(directory, 'lib/deep.js'), deep());
  for (const file of BUNDLED) bundle(file, path.join(directory, file), { external: OUTSIDE });
  bundle('native/index.js', path.join(directory, 'native/index.js'), { external: ['*'] });
  const kept = Object.fromEntries(KEPT.map((name) => [name, manifest[name]]));
  const optionalDependencies = Object.fromEntries(
    platforms.map((platform) => [`${manifest.name}-${platform}`, manifest.version]),
  );
  write(directory, { ...kept, optionalDependencies });
  return { directory, name: manifest.name };
}

/**
 * @param {string} out
 * @param {string} platform
 * @param {string} binary
 */
function platformPackage(out, platform, binary) {
  const manifest = read(`npm/${platform}/package.json`);
  const directory = path.join(out, manifest.name);
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
 * All that `require` of the package loads beside the addon: as one file and one scope.
 * @param {string} outfile
 */
function bundleFace(outfile) {
  const contents = `import { face } from './face';
    import * as deep from './deep';
    Object.defineProperty(face, ${DEEP}, { value: { ...deep } });
    export default face;`;
  const modules = path.join(path.dirname(outfile), 'modules');
  writeEsModules(path.join(root, 'lib'), modules, { [`.${LOADER}`]: LOADER });
  bundle(undefined, outfile, {
    stdin: { contents, resolveDir: modules },
    external: [LOADER],
    // What ES modules are by themselves.
    banner: { js: "'use strict';" },
    footer: { js: `module.exports=module.exports.default;${names(require('..'))}` },
  });
  fs.rmSync(modules, { recursive: true });
}

/**
 * @param {string | undefined} file
 * @param {string} outfile
 * @param {import('esbuild').BuildOptions} options
 */
function bundle(file, outfile, options) {
  esbuild.buildSync({
    entryPoints: file === undefined ? undefined : [path.join(root, file)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: TARGET,
    define: { PUBLISHED: 'true' },
    // Names stay: they are in stack traces.
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'error',
    ...options,
  });
}

/** The module behind the files below `dist/src`. */
function deep() {
  return `'use strict';\nmodule.exports = require('..')[${DEEP}];\n${names(require('../lib/deep'))}\n`;
}

/**
 * Never runs: it is how Node finds the names that ESM may import.
 * @param {object} exported
 */
function names(exported) {
  return `0 && (module.exports = { ${Object.keys(exported).join(', ')} });`;
}

module.exports = { stage };

if (require.main === module) for (const { directory } of stage()) console.log(path.relative(root, directory));
