'use strict';

const { mock } = require('node:test');
const test = require('ava');
const { fresh } = require('./registry');
const { suite } = require('./shop.suite');

suite({
  test: (name, body) => test.serial(name, async (t) => t.notThrowsAsync(body)),
  before: (body) => test.serial.before(body),
  after: (body) => test.serial.after.always(body),
  fakeTimers() {
    mock.timers.enable();
    return () => mock.timers.reset();
  },
  spy(object, method, replacement) {
    const spied = mock.method(object, method, replacement);
    return () => spied.mock.callCount();
  },
  freshShop: () => fresh(require.resolve('./shop')),
});
