import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { SubscriptionStore } from '../../subscriptions/state/subscription-store.ts';
import { ATTEMPT_BOUNDS } from '../shared/attempt-bounds.ts';
import { subscriptionStoreContract } from './subscriptions/subscription-store-contract.ts';
import { createMemorySubscriptionStore, createMemoryState } from '../memory/memory-subscription-store.ts';
import { openSubscriptionStore } from '../sqlite/subscriptions/sqlite-subscription-store.ts';

subscriptionStoreContract('memory', async (bounds) => {
  const state = createMemoryState();
  return { open: async () => createMemorySubscriptionStore(state, { ...ATTEMPT_BOUNDS, ...bounds }) };
});

subscriptionStoreContract('sqlite', async (bounds = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-subscriptions-'));
  const opened: SubscriptionStore[] = [];
  onTestFinished(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await rm(folder, { recursive: true });
  });
  return {
    open: async () => {
      const store = await openSubscriptionStore({ folder, bounds });
      opened.push(store);
      return store;
    },
  };
});
