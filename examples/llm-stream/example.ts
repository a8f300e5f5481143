import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Streamed answers of a language model',
  summary:
    'Answers stream token by token through the hub: reload, change the device or lose the network, and they go on.',
  services: { assistant: { command: ['node', 'services/assistant.ts'] } },
  routes: { '/api/': 'assistant' },
};
