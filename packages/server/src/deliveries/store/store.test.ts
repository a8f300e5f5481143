import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { SubscriptionStore } from '../../core/subscription/ports.ts';
import { ATTEMPT_BOUNDS } from './bounds.ts';
import { storeContract } from './contract/contract.ts';
import { createMemorySubscriptionStore, memoryState } from './memory-store.ts';
import { openSubscriptionStore } from './sqlite-store.ts';

storeContract('memory', async (bounds) => {
  const state = memoryState();
  return { open: async () => createMemorySubscriptionStore(state, { ...ATTEMPT_BOUNDS, ...bounds }) };
});

storeContract('sqlite', async (bounds = {}) => {
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
