import { expect } from 'vitest';
import { waitUntil } from '../subscription-hub.ts';
import { createPull, failingWebhook, type ExplainCase } from './explain-case.ts';

/** The ways in which an event misses a subscription, waits for it, or reaches it. */
export const SUBSCRIPTION_CASES: readonly ExplainCase[] = [
  {
    name: 'filtered by content',
    async arrange({ json, publish }) {
      const subscription = await createPull(json, { channels: ['chat.4'], filter: { greater: ['/data/total', 100] } });
      return { event: await publish('chat.4', { total: 7 }), reader: { subscription } };
    },
    outcome: 'missed',
    reason: 'filtered_by_content',
    sentence: /does not pass the filter/,
  },
  {
    name: 'an endpoint fails and is tried again',
    async arrange(world, { failing }) {
      return failingWebhook(
        world,
        failing,
        'chat.9',
        { retryDelaysSeconds: [3600, 3600] },
        async (subscription, event) => {
          const { attempts } = await world.json('GET', `/v1/subscriptions/${subscription}/attempts?event=${event}`);
          expect(attempts).toHaveLength(1);
        },
      );
    },
    outcome: 'pending',
    reason: 'retrying',
    sentence: /1 attempt of sub_\w+ failed \(refused_status\); the next one is at/,
  },
  {
    name: 'an event is a dead letter',
    async arrange(world, { failing }) {
      return failingWebhook(world, failing, 'chat.10', { retryDelaysSeconds: [] }, async (subscription) => {
        const { deadLetters } = await world.json('GET', `/v1/subscriptions/${subscription}/dead-letters`);
        expect(deadLetters).toHaveLength(1);
      });
    },
    outcome: 'missed',
    reason: 'dead_letter',
    sentence: /dead letter of sub_\w+ since .*, after 1 attempts/,
  },
  {
    name: 'an endpoint is suspended',
    async arrange(world, { failing }) {
      return failingWebhook(
        world,
        failing,
        'chat.11',
        { retryDelaysSeconds: Array.from({ length: 30 }, () => 1) },
        async (subscription) => {
          expect((await world.json('GET', `/v1/subscriptions/${subscription}`))['state']).toBe('suspended');
        },
      );
    },
    outcome: 'pending',
    reason: 'suspended',
    sentence: /is suspended since .*, because its endpoint failed for too long/,
  },
  {
    name: 'a subscription is paused',
    async arrange({ json, publish }) {
      const subscription = await createPull(json, { channels: ['chat.12'] });
      await json('POST', `/v1/subscriptions/${subscription}/pause`, {});
      return { event: await publish('chat.12', 1), reader: { subscription } };
    },
    outcome: 'pending',
    reason: 'paused',
    sentence: /is paused since/,
  },
  {
    name: 'a worker has leased it',
    async arrange({ json, publish }) {
      const subscription = await createPull(json, { channels: ['chat.13'] });
      const event = await publish('chat.13', 1);
      await json('POST', `/v1/subscriptions/${subscription}/pull`, { count: 1 });
      return { event, reader: { subscription } };
    },
    outcome: 'pending',
    reason: 'leased',
    sentence: /has leased the event until .* and has not acknowledged it/,
  },
  {
    name: 'delivered to a worker, which acknowledged it',
    async arrange({ json, publish }) {
      const subscription = await createPull(json, { channels: ['chat.14'] });
      const event = await publish('chat.14', 1);
      const { events } = await json('POST', `/v1/subscriptions/${subscription}/pull`, { count: 1 });
      const [{ lease }] = events as [{ lease: string }];
      await json('POST', `/v1/subscriptions/${subscription}/ack`, { leases: [lease] });
      return { event, reader: { subscription } };
    },
    outcome: 'delivered',
    reason: 'acknowledged',
    sentence: /has acknowledged the event/,
  },
  {
    name: 'delivered to an endpoint',
    async arrange({ json, publish }, { healthy }) {
      const { id } = await json('POST', '/v1/subscriptions', {
        channels: ['chat.15'],
        delivery: { kind: 'webhook', url: healthy.url },
      });
      const event = await publish('chat.15', 1);
      await waitUntil(async () => {
        const { attempts } = await json('GET', `/v1/subscriptions/${id as string}/attempts?event=${event}`);
        expect(attempts).toMatchObject([{ outcome: 'delivered' }]);
      });
      return { event, reader: { subscription: id as string } };
    },
    outcome: 'delivered',
    reason: 'delivered',
    sentence: /The endpoint of sub_\w+ accepted the event at .*, at attempt 1/,
  },
];
