import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'From GitHub to the phone',
  summary: 'Webhooks of GitHub, Stripe and Shopify come in, verified once; phones, a worker and a partner get them.',
  services: {
    partner: { command: ['node', 'services/partner.ts'] },
    builder: { command: ['node', 'services/builder.ts'], listens: false },
    providers: { command: ['node', 'services/providers.ts'] },
  },
  routes: { '/api/send/': 'providers', '/api/partner': 'partner' },
};
