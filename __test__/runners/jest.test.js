'use strict';

/* global jest, test, beforeAll, afterAll, expect */

const { suite } = require('./shop.suite');

suite({
  test: (name, body) => test(name, body, 60000),
  before: (body) => beforeAll(body, 60000),
  after: (body) => afterAll(body, 60000),
  fakeTimers() {
    jest.useFakeTimers();
    return () => jest.useRealTimers();
  },
  spy(object, method, replacement) {
    const spied = jest.spyOn(object, method).mockImplementation(replacement);
    return () => spied.mock.calls.length;
  },
  freshShop() {
    let shop;
    jest.isolateModules(() => (shop = require('./shop')));
    return shop;
  },
});

test('an automatic mock has the members of the real one', () => {
  const { LocalEvaluationClient, Experiment, LogLevel } = jest.createMockFromModule(
    '@amplitude/experiment-node-server',
  );
  const client = new LocalEvaluationClient('key');
  client.evaluateV2.mockReturnValue({ a: { key: 'on' } });
  expect(client.evaluateV2({})).toEqual({ a: { key: 'on' } });
  expect(client.start).not.toHaveBeenCalled();
  expect(Experiment.initializeLocal('key')).toBeUndefined();
  expect(LogLevel.Debug).toBe(4);
});
