'use strict';

/** The server of the events bench, in a process of its own. Counts what it takes, and hangs where it is told to. */

const { Emulator } = require('../../emulator');

const hangs = process.argv[2] === 'hang';
let taken = 0;

Emulator.start({
  apiKey: 'api-key',
  historyLimit: 10,
  onRequest: ({ taken: isTaken, events = [] }) => {
    if (isTaken) taken += events.length;
  },
}).then((emulator) => {
  if (hangs) emulator.fail('events', { kind: 'silence' });
  process.on('message', () => process.send?.(taken));
  process.on('disconnect', () => process.exit());
  process.send?.(emulator.url);
});
