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

interface Placed {
  readonly added: string[];
  readonly deleted: string[];
  /** The consumer that was asked for blocks. */
  readonly asked: string[];
  readonly reconnect: () => void;
}

/** Follows brokers that place each consumer at the next of these, and then at the last of them. */
function followPlaced(...brokers: readonly string[]): Placed {
  const placed = { added: [] as string[], deleted: [] as string[], asked: [] as string[] };
  let { promise, resolve } = Promise.withResolvers<void>();
  const connection = {
    info: { server_name: 'own' },
    publish: (subject: string) => void placed.asked.push(subject.slice(subject.lastIndexOf('.') + 1)),
    subscribe: () => ({ unsubscribe: () => undefined }),
    async *status() {
      for (;;) {
        await promise;
        ({ promise, resolve } = Promise.withResolvers<void>());
        yield { type: 'reconnect' };
      }
    },
  };
  const consumers = {
    add: async (_stream: string, { name }: { name: string }) => {
      const leader = brokers[Math.min(placed.added.push(name), brokers.length) - 1];
      return { name, cluster: { leader } };
    },
    delete: async (_stream: string, name: string) => void placed.deleted.push(name),
  };
  const follower = new BlockFollower(
    {
      connection: connection as never,
      manager: { consumers } as never,
      stream: 's',
      elections: { attempt: (answer) => answer },
      place: async () => 'followable',
    },
    { sequence: 0, id: '' },
    {
      onBlock: () => undefined,
      appendMark: async () => 0,
      whenReady: undefined,
      mayWait: false,
      onRolledBack: () => undefined,
      onTrimmedBeyond: () => undefined,
    },
  );
  onTestFinished(() => follower.close());
  return { ...placed, reconnect: () => resolve() };
}

test('consumers at other brokers are deleted until one is at the own broker', async () => {
  const { added, deleted, asked } = followPlaced('n1', 'n2', 'own');
  await expect.poll(() => asked).toHaveLength(1);
  expect(added).toHaveLength(3);
  expect(deleted).toEqual(added.slice(0, 2));
  expect(asked).toEqual(added.slice(2));
});

test('a broker that gets no consumer is not tried again', async () => {
  const { added, deleted, asked, reconnect } = followPlaced('n1');
  await expect.poll(() => asked).toHaveLength(1);
  expect(added).toHaveLength(8);
  expect(deleted).toEqual(added.slice(0, 7));
  reconnect();
  await expect.poll(() => asked).toHaveLength(2);
  expect(added).toHaveLength(9);
  expect(asked[1]).toBe(added[8]);
});
