import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { BlockFollower } from './block-follower.ts';

test('a block that the brokers confirm is not received before the place was compared with them', async () => {
  const brokers = new Map([[100, 'old-100']]);
  const received: string[] = [];
  let hasLeader = true;
  let isRolledBack = false;
  const { promise: restored, resolve: restore } = Promise.withResolvers<void>();
  const connection = {
    publish: () => undefined,
    subscribe: () => ({ unsubscribe: () => undefined }),
    reconnect: async () => undefined,
    async *status() {
      await restored;
      yield { type: 'reconnect' };
    },
  };
  const follower = new BlockFollower(
    {
      connection: connection as never,
      manager: { consumers: { add: async () => ({}) } } as never,
      stream: 's',
      elections: { attempt: (promise) => promise },
      place: async ({ sequence, id }) => {
        if (!hasLeader) throw new Error('there is no leader');
        return brokers.get(sequence) === id ? 'followable' : 'rolled-back';
      },
    },
    { sequence: 100, id: 'old-100' },
    {
      onBlock: ({ id }) => void received.push(id),
      appendMark: async () => 0,
      whenReady: undefined,
      mayWait: false,
      onRolledBack: () => void (isRolledBack = true),
      onTrimmedBeyond: () => undefined,
    },
  );
  onTestFinished(() => follower.close());
  const confirm = (sequence: number): void => {
    brokers.set(sequence, `own-${sequence}`);
    follower.onConfirmed({ sequence, id: `own-${sequence}`, kind: 'events', data: new Uint8Array(0) });
  };
  await delay(20);
  // The brokers are restored without the block 100, and have no leader when the client is back.
  brokers.delete(100);
  hasLeader = false;
  restore();
  await delay(20);
  hasLeader = true;
  confirm(100);
  confirm(101);
  await expect.poll(() => isRolledBack).toBe(true);
  expect(received).toEqual([]);
});

test('a confirmed block with the sequence of another one leads to a comparison with the brokers', async () => {
  const brokers = new Map([[100, 'old-100']]);
  let isRolledBack = false;
  const follower = new BlockFollower(
    {
      connection: {
        publish: () => undefined,
        subscribe: () => ({ unsubscribe: () => undefined }),
        async *status() {
          await new Promise(() => undefined);
          yield { type: 'reconnect' };
        },
      } as never,
      manager: { consumers: { add: async () => ({}) } } as never,
      stream: 's',
      elections: { attempt: (promise) => promise },
      place: async ({ sequence, id }) => (brokers.get(sequence) === id ? 'followable' : 'rolled-back'),
    },
    { sequence: 100, id: 'old-100' },
    {
      onBlock: () => undefined,
      appendMark: async () => 0,
      whenReady: undefined,
      mayWait: false,
      onRolledBack: () => void (isRolledBack = true),
      onTrimmedBeyond: () => undefined,
    },
  );
  onTestFinished(() => follower.close());
  const confirm = (sequence: number, id: string): void => {
    brokers.set(sequence, id);
    follower.onConfirmed({ sequence, id, kind: 'events', data: new Uint8Array(0) });
  };
  await delay(20);
  confirm(101, 'own-1');
  confirm(101, 'own-2');
  await expect.poll(() => isRolledBack).toBe(true);
});
