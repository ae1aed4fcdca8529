import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { LocalEvaluationClient } from '@amplitude/experiment-node-server';

const require = createRequire(import.meta.url);
const { fresh } = require('./registry');
const { suite } = require('./shop.suite');

suite({
  test: (name, body) => test(name, body, 60000),
  before: (body) => beforeAll(body, 60000),
  after: (body) => afterAll(body, 60000),
  fakeTimers() {
    vi.useFakeTimers();
    return () => vi.useRealTimers();
  },
  spy(object, method, replacement) {
    const spied = vi.spyOn(object, method).mockImplementation(replacement);
    return () => spied.mock.calls.length;
  },
  freshShop: () => fresh(require.resolve('./shop')),
  // Where each file has a context of its own, its modules cannot be loaded anew from within.
  registries: process.env.SHOP_IN_CONTEXTS ? 1 : 3,
});

test('what is imported is what is required', () => {
  const required = require('@amplitude/experiment-node-server');
  expect(LocalEvaluationClient).toBe(required.LocalEvaluationClient);
});
