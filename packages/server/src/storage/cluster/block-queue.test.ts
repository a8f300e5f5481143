import { expect, test } from 'vitest';
import type { NewRecord } from '../../core/ports.ts';
import { countOf } from '../shared/batch-codec.ts';
import type { NewBlock } from '../view/block.ts';
import { BlockQueue } from './block-queue.ts';

const RECORD: NewRecord = {
  channel: 'a',
  type: undefined,
  timeMs: 1_800_000_000_000,
  body: new Uint8Array(1),
  retain: 'history',
  idempotencyKey: undefined,
  fingerprint: undefined,
  ifLatest: undefined,
};

test('the block of a lone append leaves at once; after a shared one, the next waits for others', async () => {
  const { queue, blocks, confirm } = opened();
  void queue.append([RECORD]);
  expect(countsOf(blocks)).toEqual([1]);
  // They arrive while the first block is in flight.
  void queue.append([RECORD]);
  void queue.append([RECORD]);
  await confirm();
  expect(countsOf(blocks)).toEqual([1, 2]);
  await confirm();
  void queue.append([RECORD]);
  expect(countsOf(blocks)).toEqual([1, 2]);
  void queue.append([RECORD]);
  await turns();
  expect(countsOf(blocks)).toEqual([1, 2, 2]);
});

interface Opened {
  readonly queue: BlockQueue;
  /** Those that the journal has received. */
  readonly blocks: readonly NewBlock[];
  /** The newest block is durable, and its outcome known. */
  confirm(): Promise<void>;
}

function opened(): Opened {
  const blocks: NewBlock[] = [];
  let stored = (): void => undefined;
  const journal = {
    blockBytesMax: 1_000_000,
    append(block: NewBlock) {
      blocks.push(block);
      const { promise, resolve } = Promise.withResolvers<number>();
      stored = () => resolve(blocks.length);
      return promise;
    },
  };
  const queue = new BlockQueue(journal as never, 'hub');
  return {
    queue,
    blocks,
    async confirm() {
      const { id } = blocks.at(-1) as NewBlock;
      queue.onOutcome(id, { kind: 'appended', firstPosition: blocks.length, notAppended: [] });
      stored();
      await turns();
    },
  };
}

function countsOf(blocks: readonly NewBlock[]): number[] {
  return blocks.map(({ data }) => countOf(new Uint8Array(data)));
}

/** More turns of the event loop than a block waits. */
async function turns(): Promise<void> {
  for (let count = 0; count < 4; count++) await new Promise(setImmediate);
}
