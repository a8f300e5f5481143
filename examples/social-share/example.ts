import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: 'Social share',
  summary:
    'One post to three networks that fail, limit and hang: a job queue with workers, leases, retries and dead letters.',
  services: {
    networks: { command: ['node', 'services/networks.ts'] },
    posts: { command: ['node', 'services/posts.ts'] },
    worker: { command: ['node', 'services/worker.ts'], instances: 3, listens: false },
  },
  routes: { '/api/posts': 'posts', '/api/networks': 'networks' },
};
