import { jsonFraming, sseFraming } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { BatchCache, joinFrames, type Batch } from './batch.ts';
import { Interest } from '../interests/interest.ts';
import type { Position } from '../ports.ts';
import { event } from '../testing/feed-world.ts';

function interest(channel: string): Interest {
  const made = new Interest(channel, [channel], undefined, [], 0);
  made.isIndexed = true;
  return made;
}

function batch(wanted: Interest, from: Position, over: Partial<Batch> = {}): Batch {
  const bytes = new Uint8Array(10);
  return {
    interest: wanted,
    framing: sseFraming,
    from,
    reached: from + 1,
    lastPosition: from + 1,
    count: 1,
    bytes,
    countMax: Infinity,
    isTruncated: false,
    gapThrough: 0,
    gapReason: 'retention',
    isHttpCacheable: false,
    ...over,
  };
}

function find(cache: BatchCache, wanted: Interest, from: Position, head: Position): Batch | undefined {
  return cache.find(wanted, sseFraming, from, Infinity, head);
}

test('joined frames are the frames, concatenated, in memory of exactly that size', () => {
  const records = [1, 2, 3].map((position) => ({ ...event('a', undefined, 5 * position), position }));
  const sizes: number[] = [];
  const joined = joinFrames(jsonFraming, '0123456789', records, (bytes) => (sizes.push(bytes), new Uint8Array(bytes)));
  expect(sizes).toEqual([records.reduce((sum, { body }) => sum + jsonFraming.size(body.length), 0)]);
  expect(String.fromCharCode(...joined).match(/"id":"[^"]+"/g)).toHaveLength(3);
});

test('a batch is found by readers at its beginning with the same framing and size', () => {
  const cache = new BatchCache(1e6);
  const a = interest('a');
  const kept = batch(a, 5);
  cache.add(kept);
  expect(find(cache, a, 5, 6)).toBe(kept);
  expect(find(cache, a, 6, 6)).toBeUndefined();
  expect(find(cache, interest('a'), 5, 6)).toBeUndefined();
  expect(cache.find(a, jsonFraming, 5, Infinity, 6)).toBeUndefined();
  expect(cache.find(a, sseFraming, 5, 10, 6)).toBeUndefined();
});

test('an incomplete batch is not found after a newer event has matched', () => {
  const cache = new BatchCache(1e6);
  const a = interest('a');
  cache.add(batch(a, 5));
  cache.add(batch(a, 9, { isTruncated: true }));
  expect(find(cache, a, 5, 20)).toBeDefined();
  a.lastMatched = 20;
  expect(find(cache, a, 5, 20)).toBeUndefined();
  expect(find(cache, a, 9, 20)).toBeDefined();
});

test('a busy interest drops its own batches, first those that no reader requested again', () => {
  const cache = new BatchCache(1e6);
  const [quiet, busy] = [interest('quiet'), interest('busy')];
  cache.add(batch(quiet, 0));
  for (let from = 0; from < 1000; from++) {
    cache.add(batch(busy, from));
    expect(find(cache, busy, 0, 1000)).toBeDefined();
  }
  expect(find(cache, quiet, 0, 1000)).toBeDefined();
  expect(busy.batches?.map(({ batch: kept }) => kept?.from)).toEqual([
    ...Array.from({ length: 15 }, (_, index) => 985 + index),
    0,
  ]);
});

test('all batches together stay within their bytes, and the oldest are dropped first', () => {
  const cache = new BatchCache(10_000);
  const all = Array.from({ length: 200 }, (_, index) => interest(`c.${index}`));
  for (const each of all) {
    cache.add(batch(each, 0));
    expect(cache.bytes).toBeLessThanOrEqual(10_000);
  }
  const found = all.map((each) => find(cache, each, 0, 1) !== undefined);
  expect(found.indexOf(true)).toBeGreaterThan(100);
  expect(found.slice(found.indexOf(true))).not.toContain(false);
});

test('a batch larger than the whole cache is not stored', () => {
  const cache = new BatchCache(1000);
  const a = interest('a');
  cache.add(batch(a, 0, { bytes: new Uint8Array(2000) }));
  expect([cache.bytes, a.batches]).toEqual([0, []]);
});

test('an interest outside of the index has no stored batches, and one that leaves the index loses them', () => {
  const cache = new BatchCache(1e6);
  const a = interest('a');
  cache.add(batch(a, 5));
  cache.add(batch(a, 6));
  cache.evictInterest(a);
  expect([cache.bytes, a.batches]).toEqual([0, []]);
  a.isIndexed = false;
  cache.add(batch(a, 5));
  expect(cache.bytes).toBe(0);
});
