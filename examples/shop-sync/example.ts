import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Shop sync',
  summary:
    "A shop, and three other companies' systems that subscribe by webhook, REST Hooks and WebSub: one is down for a day, one is slow.",
  services: {
    shop: { command: ['node', 'services/shop.ts'] },
    warehouse: { command: ['node', 'services/warehouse.ts'] },
    accounting: { command: ['node', 'services/accounting.ts'] },
    'price-watch': { command: ['node', 'services/price-watch.ts'] },
  },
  routes: {
    '/api/shop': 'shop',
    '/api/warehouse': 'warehouse',
    '/api/accounting': 'accounting',
    '/api/price-watch': 'price-watch',
  },
};
