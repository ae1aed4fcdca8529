'use strict';

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');

/**
 * An HTTP proxy on a free port: tunnels (`CONNECT`) and plain requests. Names that end in `.test` are those of one
 * server on 127.0.0.1, so that whoever reaches them came through here.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {number} port of that server
 * @param {string} [authorization] what clients have to say
 */
async function startProxy(t, port, authorization) {
  /** What was asked for: `CONNECT flags.test:443`, `GET http://flags.test/...`. */
  const asked = [];
  const sockets = new Set();
  const isRefused = (request) =>
    authorization !== undefined && request.headers['proxy-authorization'] !== authorization;
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (isRefused(request)) return response.writeHead(407).end();
    const { pathname, search } = new URL(request.url);
    const onward = http.request(
      { port, host: '127.0.0.1', path: pathname + search, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    socket.on('error', () => {});
    if (isRefused(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const onward = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port: own } = server.address();
  return { url: `http://127.0.0.1:${own}`, port: own, asked };
}

/**
 * A SOCKS 5 proxy on a free port that asks for no authentication. Whatever host it is asked for, it reaches one server
 * on 127.0.0.1.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {number} port of that server
 */
async function startSocksProxy(t, port) {
  /** What was asked for: `flags.test:443`. Only names can be: an address would mean that the client resolved it. */
  const asked = [];
  const sockets = new Set();
  const server = net.createServer(async (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    /** @param {number} count of bytes */
    const take = async (count) => {
      for (;;) {
        const bytes = socket.read(count);
        if (bytes !== null) return bytes;
        await new Promise((resolve) => socket.once('readable', resolve));
      }
    };
    const [, methods] = await take(2);
    await take(methods);
    socket.write(Buffer.from([5, 0]));
    const [version, command, , kind, length] = await take(5);
    if (version !== 5 || command !== 1 || kind !== 3) return socket.destroy();
    const name = await take(length);
    asked.push(`${name}:${(await take(2)).readUInt16BE()}`);
    const onward = net.connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]));
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `socks5h://127.0.0.1:${server.address().port}`, asked };
}

/** An agent that goes through an HTTP proxy, as the agents that people install do. */
class ProxyAgent extends https.Agent {
  constructor(proxyPort, options) {
    super(options);
    this.proxyPort = proxyPort;
  }

  createConnection(options, callback) {
    const { host, port } = options;
    const tunnel = http.request({
      port: this.proxyPort,
      method: 'CONNECT',
      path: `${host}:${port}`,
      agent: false,
    });
    tunnel.on('connect', (response, socket) => {
      if (response.statusCode !== 200) return callback(new Error(`proxy said ${response.statusCode}`));
      callback(null, tls.connect({ ...options, socket, servername: host }));
    });
    tunnel.on('error', callback);
    tunnel.end();
  }
}

module.exports = { startProxy, startSocksProxy, ProxyAgent };
