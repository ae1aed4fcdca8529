'use strict';

/**
 * A loopback Amplitude Experiment: flags, remote evaluation, cohorts, the flag stream and the event endpoints, served
 * from plain data, with a memory of what was asked and with failures on demand. Types: `index.d.ts`.
 */

const { Emulator } = require('./emulator');
const { parseFile } = require('./world');

module.exports = { Emulator, parseFile };
