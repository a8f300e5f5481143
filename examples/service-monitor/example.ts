import type { Example, Service } from '../kit/example.ts';

export const example: Example = {
  title: 'Service monitor',
  summary:
    'Five services with circuit breakers: thousands of events a second in, ten updates a second out to each viewer.',
  services: {
    catalog: shop('catalog'),
    payments: shop('payments'),
    delivery: shop('delivery'),
    cart: shop('cart', 'catalog'),
    storefront: shop('storefront', 'catalog', 'cart', 'payments', 'delivery'),
    customers: { command: ['node', 'services/customers.ts'], listens: false },
    aggregator: { command: ['node', 'services/aggregator.ts'], listens: false },
  },
  routes: Object.fromEntries(
    ['catalog', 'payments', 'delivery', 'cart', 'storefront'].map((name) => [`/faults/${name}`, name]),
  ),
};

function shop(name: string, ...calls: string[]): Service {
  return { command: ['node', 'services/shop.ts'], environment: { NAME: name, CALLS: calls.join() } };
}
