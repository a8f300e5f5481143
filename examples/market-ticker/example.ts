import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Market ticker',
  summary:
    'Prices of 2,000 symbols at 20,000 updates a second; each viewer follows the rows on the screen and never falls behind.',
  services: { exchange: { command: ['node', 'services/exchange.ts'], listens: false } },
};
