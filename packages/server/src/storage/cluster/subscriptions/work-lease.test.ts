import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BlockEffect } from '../../view/log-view.ts';
import { LeaseHolder } from './work-lease.ts';

test('an owner whose command comes back late counts from when it sent it', { timeout: 60_000 }, async () => {
  const lease = { owner: 'a', term: 1, challengers: {} };
  const outcome = { kind: 'subscriptions', lease, hub: 'a', isRefused: false, hash: 0 } as unknown as BlockEffect;
  let commands = 0;
  const holder = new LeaseHolder({
    fleet: { self: 'a', hubs: [] },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    isAvailable: true,
    async command() {
      // The brokers answer the first one late, and no other one.
      if (++commands > 1) return new Promise(() => undefined);
      await delay(4_000);
      holder.onApplied(outcome as never);
      return outcome;
    },
    loadState: async () => ({ lease: { owner: '', term: 0 }, epoch: undefined }) as never,
    onDeposed: () => expect.unreachable('nobody took the lease'),
  });
  await holder.open();
  holder.start({ prepare: () => Promise.resolve(), begin: () => undefined });
  while (!holder.isWorking) await holder.changed(60_000);
  expect(holder.isFresh).toBe(false);
});
