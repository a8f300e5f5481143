import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Feature flags',
  summary:
    'A flag service whose clients follow by stream, by blocking query or by conditional poll, and start offline.',
  services: {
    flags: { command: ['node', 'services/flags.ts'] },
    shop: { command: ['node', 'services/shop.ts'] },
  },
  routes: { '/api/flags': 'flags', '/api/shop': 'shop' },
};
