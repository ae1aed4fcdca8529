'use strict';

exports.flags = {
  greeting: {
    key: 'greeting',
    variants: { on: { key: 'on', value: 'on', payload: { text: 'hello' } } },
    segments: [
      {
        conditions: [[{ selector: ['context', 'user', 'user_id'], op: 'is', values: ['user'] }]],
        variant: 'on',
      },
    ],
  },
};
