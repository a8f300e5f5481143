import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { BlockPulls } from './block-pulls.ts';

/** Longer than blocks are collected that nobody waits for. */
const COLLECTED_MS = 200;

test('where somebody waits, a pull brings blocks as they come, and the next one is there in time', () => {
  const { asks, pulls } = opened({ mayWait: false });
  expect(asks).toEqual([{ reply: 'i.1', batch: 256, max_bytes: 4_194_304, expires: 5e9, idle_heartbeat: 4e8 }]);
  for (let count = 1; count <= 127; count++) pulls.onBlock(0);
  expect(asks).toHaveLength(1);
  pulls.onBlock(0);
  expect(asks).toMatchObject([{ reply: 'i.1' }, { reply: 'i.2', batch: 256 }]);
  // The broker serves the first pull to its end before the second one.
  for (let count = 1; count <= 128 + 127; count++) pulls.onBlock(0);
  expect(asks).toHaveLength(2);
  pulls.onBlock(0);
  expect(asks).toHaveLength(3);
});

test('where nobody waits, blocks come together, until there are none', async () => {
  const { asks, pulls, end } = opened({ mayWait: true });
  expect(asks).toEqual([{ reply: 'i.1', batch: 1, expires: 5e9, idle_heartbeat: 4e8 }]);
  pulls.onBlock(0);
  expect(asks).toHaveLength(1);
  await delay(COLLECTED_MS);
  const those = { batch: 256, max_bytes: 4_194_304, no_wait: true };
  expect(asks.slice(1)).toEqual([{ reply: 'i.2', ...those }]);
  pulls.onBlock(1);
  pulls.onBlock(0);
  await delay(COLLECTED_MS);
  expect(asks.slice(2)).toEqual([{ reply: 'i.3', ...those }]);
  expect(end(3, 404, 'No Messages')).toBe(true);
  expect(asks.slice(3)).toMatchObject([{ reply: 'i.4', batch: 1 }]);
  expect(end(4, 408, 'Request Timeout')).toBe(true);
  expect(asks.slice(4)).toMatchObject([{ reply: 'i.5', batch: 1 }]);
  // There is more already: a hub that comes back has a backlog.
  pulls.onBlock(9);
  expect(asks.slice(5)).toEqual([{ reply: 'i.6', ...those }]);
});

test('what somebody begins to wait for is asked for at once, and blocks then come as they are', async () => {
  const { asks, pulls, end } = opened({ mayWait: true });
  pulls.onBlock(0);
  pulls.deliverNow();
  expect(asks.slice(1)).toMatchObject([{ reply: 'i.2', batch: 256, expires: 5e9 }]);
  pulls.deliverNow();
  await delay(COLLECTED_MS);
  expect(asks).toHaveLength(2);
  expect(end(2, 408, 'Request Timeout')).toBe(true);
  expect(asks.slice(2)).toMatchObject([{ reply: 'i.3', batch: 256, expires: 5e9 }]);
});

test('a follower that has blocks enough is asked nothing for until it is ready', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const follower = { mayWait: false, whenReady: promise as Promise<void> | undefined };
  const { asks, pulls } = opened(follower);
  expect([asks, pulls.isPaused]).toEqual([[], true]);
  pulls.deliverNow();
  expect(asks).toEqual([]);
  follower.whenReady = undefined;
  resolve();
  await promise;
  await delay(0);
  expect([asks.length, pulls.isPaused]).toEqual([1, false]);
});

test('the end of an earlier pull changes nothing, and that of the consumer is told', () => {
  const { asks, pulls, end } = opened({ mayWait: false });
  for (let count = 1; count <= 128; count++) pulls.onBlock(0);
  expect(end(1, 409, 'Message Size Exceeds MaxBytes')).toBe(true);
  expect(end(1, 409, 'Batch Completed')).toBe(true);
  expect(asks).toHaveLength(2);
  expect(end(2, 409, 'Message Size Exceeds MaxBytes')).toBe(true);
  expect(asks).toHaveLength(3);
  for (const [code, text] of [
    [409, 'Consumer Deleted'],
    [409, 'Leadership Change'],
    [409, 'Server Shutdown'],
    [503, ''],
  ] as const)
    expect(end(3, code, text)).toBe(false);
  pulls.close();
  end(3, 404, 'No Messages');
  expect(asks).toHaveLength(3);
});

test('a client that has closed ends nothing: the silence is noticed', async () => {
  const { asks, pulls, connection } = opened({ mayWait: true });
  connection.publish = () => {
    throw new Error('closed connection');
  };
  pulls.onBlock(0);
  // An error of the timer would fail the run.
  await delay(COLLECTED_MS);
  pulls.deliverNow();
  expect(asks).toHaveLength(1);
});

interface Opened {
  readonly pulls: BlockPulls;
  /** Each question for blocks, and where its answers go. */
  readonly asks: readonly Readonly<Record<string, unknown>>[];
  readonly connection: { publish(subject: string, text: string, options: { readonly reply: string }): void };
  /** The broker ends a pull. */
  end(pull: number, code: number, description: string): boolean;
}

function opened(follower: { readonly mayWait: boolean; readonly whenReady?: Promise<void> | undefined }): Opened {
  const asks: Readonly<Record<string, unknown>>[] = [];
  const connection: Opened['connection'] = {
    publish: (subject, text, { reply }) => {
      expect(subject).toBe('$JS.API.CONSUMER.MSG.NEXT.s.c');
      asks.push({ reply, ...(JSON.parse(text) as object) });
    },
  };
  const parts = { connection: connection as never, stream: 's', consumer: 'c', inbox: 'i.', beatMs: 400 };
  const pulls = new BlockPulls({ ...parts, follower: follower as never });
  onTestFinished(() => pulls.close());
  return {
    pulls,
    asks,
    connection,
    end: (pull, code, description) =>
      pulls.onEnd({ subject: `i.${pull}`, headers: { code, description } } as unknown as Parameters<
        BlockPulls['onEnd']
      >[0]),
  };
}
