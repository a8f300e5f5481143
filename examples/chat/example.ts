import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Chat',
  summary: 'Rooms with history, presence, typing, read marks, private messages, moderation and sending while offline.',
  services: { chat: { command: ['node', 'services/chat.ts'] } },
  routes: { '/api/': 'chat' },
};
