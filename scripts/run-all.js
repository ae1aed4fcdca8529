'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');

/**
 * Runs commands one after the other, shows what they print, and goes on after a failure so that one run shows
 * all that is wrong.
 *
 * @param {string[]} commands
 * @param {(line: string) => void} onLine sees every line of standard output
 * @returns {Promise<string[]>} the commands that failed
 */
async function runAll(commands, onLine = () => {}) {
  const failed = [];
  for (const command of commands) {
    console.log(`\n> ${command}`);
    if ((await run(command, onLine)) !== 0) failed.push(command);
  }
  for (const command of failed) console.error(`failed: ${command}`);
  return failed;
}

/**
 * @param {string} command
 * @param {(line: string) => void} onLine
 * @returns {Promise<number>}
 */
function run(command, onLine) {
  return new Promise((resolve) => {
    const bin = path.join(root, 'node_modules', '.bin');
    const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
    const child = spawn(command, { cwd: root, env, shell: true, stdio: ['ignore', 'pipe', 'inherit'] });
    let rest = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (/** @type {string} */ chunk) => {
      process.stdout.write(chunk);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() || '';
      lines.forEach(onLine);
    });
    child.on('close', (code) => {
      if (rest) onLine(rest);
      resolve(code === null ? 1 : code);
    });
  });
}

module.exports = { runAll };
