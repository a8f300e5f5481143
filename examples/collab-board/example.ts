import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'A board for many',
  summary:
    'Notes and cursors of many people on one board: no change is lost without a word, and each undo is your own.',
  services: { identity: { command: ['node', 'services/identity.ts'] } },
  routes: { '/api/': 'identity' },
};
