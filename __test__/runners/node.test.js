'use strict';

const { test, before, after, mock } = require('node:test');
const { fresh } = require('./registry');
const { suite } = require('./shop.suite');

suite({
  test,
  before,
  after,
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
