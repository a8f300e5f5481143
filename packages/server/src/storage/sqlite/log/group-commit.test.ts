import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { NewRecord } from '../../../core/ports.ts';
import { decodeBatch } from '../../shared/batch-codec.ts';
import { GroupCommit } from './group-commit.ts';
import type { Committed, WriterRequest } from './messages.ts';

/** Longer than the time without a commit after which the next one starts immediately. */
const DELIVERY_MS = 15;

/** A queue whose commits last one turn, and the number of events of each commit. */
function openQueue(): { readonly queue: GroupCommit; readonly commits: number[] } {
  const commits: number[] = [];
  let firstPosition = 1;
  const writer = {
    async request<Value>(request: WriterRequest): Promise<Value> {
      if (request.kind !== 'append') throw new Error(`unexpected: ${request.kind}`);
      const count = [...decodeBatch(new Uint8Array(request.batch))].length;
      commits.push(count);
      await turn();
      const committed: Committed = { firstPosition, notAppended: [] };
      firstPosition += count;
      return committed as Value;
    },
  };
  return { queue: new GroupCommit(writer, { onCommitted: () => undefined, onFailed: () => undefined }), commits };
}

function record(): NewRecord {
  return {
    channel: 'orders',
    type: undefined,
    timeMs: 0,
    body: new Uint8Array(1),
    retain: 'history',
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
  };
}

/** Keeps the event loop busy, as a delivery to thousands of readers does. */
function deliver(): void {
  const endMs = performance.now() + DELIVERY_MS;
  while (performance.now() < endMs);
}

/** Publishers that wait for the answer, whose requests arrive one after the other. */
async function publishTogether(queue: GroupCommit, publishers: number): Promise<void> {
  const appends = [];
  for (let publisher = 0; publisher < publishers; publisher++) {
    appends.push(queue.append([record()]));
    if (publisher % 4 === 0) await Promise.resolve();
  }
  await Promise.all(appends);
}

test('publishers that shared a commit share the next one, although its delivery took long', async () => {
  const { queue, commits } = openQueue();
  await publishTogether(queue, 8);
  for (let round = 0; round < 3; round++) {
    deliver();
    await publishTogether(queue, 8);
  }
  expect(commits).toEqual([1, 7, 8, 8, 8]);
});

test('a lone event after a quiet time is committed before its turn of the event loop ends', async () => {
  const { queue, commits } = openQueue();
  await queue.append([record()]);
  deliver();
  const second = queue.append([record()]);
  expect(commits).toEqual([1, 1]);
  await second;
});
