'use strict';

/** All of the JavaScript behind one door: what the package exports, and what its inner files do. */

const { face } = require('./face');
const deep = require('./deep');

module.exports = { face, deep };
