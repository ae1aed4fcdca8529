'use strict';

/** A module loaded anew, with everything that it requires, beside what has been loaded before. */
function fresh(name) {
  const { cache } = require;
  const before = { ...cache };
  for (const key of Object.keys(cache)) if (!key.endsWith('.node')) delete cache[key];
  const module = require(name);
  for (const key of Object.keys(cache)) delete cache[key];
  Object.assign(cache, before);
  return module;
}

module.exports = { fresh };
