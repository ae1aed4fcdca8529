'use strict';

/**
 * A package registry on 127.0.0.1 that serves tarballs of a directory and nothing else: what an application gets
 * from it, it would get from the public one.
 */

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

/**
 * @typedef {{ manifest: any, file: string }} Published
 */

/**
 * @param {Published[]} published
 * @returns {Promise<{ url: string, asked: string[], close(): void }>}
 */
async function serve(published) {
  const byName = new Map(published.map((item) => [item.manifest.name, item]));
  /** @type {string[]} */
  const asked = [];
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(String(request.url).slice(1).split('?')[0]);
    asked.push(name);
    const tarball = name.endsWith('.tgz') && published.find(({ file }) => path.basename(file) === name);
    if (tarball) return void response.end(fs.readFileSync(tarball.file));
    const item = byName.get(name);
    if (!item) return void response.writeHead(404).end('{"error":"not found"}');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(packument(item, url())));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const url = () =>
    `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: url(), asked, close };
}

/**
 * @param {Published} item
 * @param {string} url
 */
function packument({ manifest, file }, url) {
  const bytes = fs.readFileSync(file);
  const { name, version } = manifest;
  const dist = {
    tarball: url + path.basename(file),
    shasum: createHash('sha1').update(bytes).digest('hex'),
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
  };
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist } },
    time: { [version]: '2020-01-01T00:00:00.000Z' },
  };
}

module.exports = { serve };
