import type { Example } from '../kit/example.ts';

export const example: Example = {
  title: '500 small devices',
  summary:
    'Devices behind NAT, in C, Python and shell: commands by long poll and SSE, readings in batches, offline and back with a cursor.',
  services: {
    registry: { command: ['node', 'services/registry.ts'] },
    fleet: {
      command: [
        'sh',
        '-c',
        'cc -O2 -Wall -o "$DATA_FOLDER/device" services/device.c && exec "$DATA_FOLDER/device" 498',
      ],
      listens: false,
    },
    python: { command: ['python3', 'services/device.py', 'd499'], listens: false },
    shell: { command: ['sh', 'services/device.sh', 'd500'], listens: false },
  },
  routes: { '/api/': 'registry' },
};
