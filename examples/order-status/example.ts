import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Order status',
  summary: 'One order, followed by short poll, long poll, SSE, WebSocket and a webhook: what each costs.',
  services: {
    courier: { command: ['node', 'services/courier.ts'] },
    kitchen: { command: ['node', 'services/kitchen.ts'] },
  },
  routes: { '/api/orders': 'kitchen', '/api/arrivals': 'courier', '/hook': 'courier' },
};
