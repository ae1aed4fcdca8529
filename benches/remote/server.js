'use strict';

/**
 * A server of the remote bench, in a process of its own. `node server.js emulator|lean`; tells its parent where it is.
 *
 * The emulator evaluates each request as Amplitude does, and needs more time for it than a client needs to ask. The lean
 * one answers every request with the same bytes, as fast as a socket takes them, so that clients are what is measured.
 */

const net = require('node:net');
const { Emulator } = require('../../emulator');
const { realisticFlags, realisticUser } = require('../flags');

const FLAGS = 20;
const END_OF_REQUEST = Buffer.from('\r\n\r\n');

/** Nothing compressed: both packages get the same bytes. */
const world = { flags: realisticFlags(FLAGS), historyLimit: 1, gzip: false };

const servers = { emulator, lean };

servers[/** @type {keyof typeof servers} */ (process.argv[2])]().then(
  (url) => process.send?.(url),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
process.on('disconnect', () => process.exit());

async function emulator() {
  return (await Emulator.start(world)).url;
}

async function lean() {
  const body = await answerOfEmulator();
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const server = net.createServer({ noDelay: true }, (socket) => {
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      let text = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      for (let end = text.indexOf(END_OF_REQUEST); end >= 0; end = text.indexOf(END_OF_REQUEST)) {
        socket.write(answer);
        text = text.subarray(end + END_OF_REQUEST.length);
      }
      rest = text;
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return `http://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}`;
}

/** What it answers for a user of the bench. */
async function answerOfEmulator() {
  const running = await Emulator.start(world);
  const user = Buffer.from(JSON.stringify(realisticUser(0))).toString('base64url');
  const response = await fetch(`${running.url}/sdk/v2/vardata?v=0`, { headers: { 'X-Amp-Exp-User': user } });
  const body = await response.text();
  await running.close();
  if (Object.keys(JSON.parse(body)).length !== FLAGS) throw new Error(`the emulator answers ${body}`);
  return body;
}
