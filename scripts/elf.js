'use strict';

/**
 * What a 64-bit ELF file asks of the C library: the versions of its symbols, which no older library has. Run with a file
 * and a version, it fails where the file asks for a newer one: `node scripts/elf.js native/x.node 2.17`.
 */

const fs = require('node:fs');

/** `SHT_GNU_verneed`: the versions needed, library by library. */
const VERSIONS_NEEDED = 0x6ffffffe;
/** Flag of a version that may be missing, since only weak symbols have it. */
const WEAK = 2;

/**
 * @param {Buffer} bytes of an ELF file, little-endian
 * @returns {string[]} versions as in `2.17`, the newest last; none where the file is linked with another C library
 */
function glibcVersions(bytes) {
  if (bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error('no 64-bit little-endian ELF file');
  }
  const number = (/** @type {number} */ at) => Number(bytes.readBigUInt64LE(at));
  const [start, size, count] = [number(0x28), bytes.readUInt16LE(0x3a), bytes.readUInt16LE(0x3c)];
  const section = (/** @type {number} */ index) => {
    const at = start + index * size;
    return { type: bytes.readUInt32LE(at + 4), offset: number(at + 24), link: bytes.readUInt32LE(at + 40) };
  };
  const found = Array.from({ length: count }, (_, index) => section(index)).find(
    ({ type }) => type === VERSIONS_NEEDED,
  );
  if (!found) return [];
  const names = section(found.link).offset;
  return [...versions(bytes, found.offset, names)]
    .filter((name) => name.startsWith('GLIBC_'))
    .map((name) => name.slice('GLIBC_'.length))
    .sort(compare);
}

/**
 * The chain of libraries, each with its chain of versions.
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number} names where the section of their names begins
 */
function* versions(bytes, at, names) {
  for (let library = at, next = 1; next !== 0; library += next) {
    next = bytes.readUInt32LE(library + 12);
    let version = library + bytes.readUInt32LE(library + 8);
    for (let left = bytes.readUInt16LE(library + 2); left > 0; left--) {
      const name = names + bytes.readUInt32LE(version + 8);
      if (!(bytes.readUInt16LE(version + 4) & WEAK)) {
        yield bytes.toString('latin1', name, bytes.indexOf(0, name));
      }
      version += bytes.readUInt32LE(version + 12);
    }
  }
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left.findIndex((part, index) => part !== right[index]);
  return at < 0 ? left.length - right.length : left[at] - (right[at] ?? -1);
}

module.exports = { glibcVersions, compare };

if (require.main === module) {
  const [file, floor] = process.argv.slice(2);
  const newest = glibcVersions(fs.readFileSync(file)).pop();
  console.log(`${file}: ${newest ? `glibc ${newest}` : 'no glibc'}`);
  if (newest && floor && compare(newest, floor) > 0) {
    console.error(`newer than ${floor}`);
    process.exitCode = 1;
  }
}
