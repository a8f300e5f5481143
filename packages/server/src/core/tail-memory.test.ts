import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Interest } from './interests/interest.ts';
import type { Position, StoredRecord } from './ports.ts';
import { Tail, type PassingRecord } from './tail.ts';
import { COPIED_BYTES_MIN } from './tail-memory.ts';
import { event } from './testing/feed-world.ts';

const BYTES_MAX = 256 * 1024;
const everything = new Interest('>', ['>'], undefined, [], 0);
const bodySize = (bytes: number): number => bytes;

function createTail(): Tail {
  const isLatestOnly = (channel: string): boolean => channel.startsWith('latest');
  return new Tail({ bytesMax: BYTES_MAX, channelsMax: 100, isLatestOnly }, 0);
}

/** An event whose position shows in each byte of its body. */
function record(position: Position, bytes: number, channel = 'a'): StoredRecord {
  const made = { ...event(channel, undefined, bytes), position };
  made.body.fill(position % 251);
  return made;
}

function collect(tail: Tail, after: Position): readonly PassingRecord[] {
  return tail.collect(everything, after, Infinity, Infinity, bodySize).records;
}

function expectIntact(records: readonly PassingRecord[]): void {
  for (const { position, body } of records) expect(body.every((byte) => byte === position % 251)).toBe(true);
}

const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ push: fc.constantFrom(100, 1_023, 1_024, 2_000, 4_096, 4_097, 9_000) }) },
  { weight: 2, arbitrary: fc.record({ keep: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ evictTo: fc.nat(BYTES_MAX) }) },
  { weight: 1, arbitrary: fc.record({ dropBack: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true } as const) },
);

test('an event has its own bytes as long as it is in the tail, and also later if it was kept', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), fc.constantFrom(1, 30), (steps, repeats) => {
      const tail = createTail();
      const kept: StoredRecord[] = [];
      for (const each of steps) {
        if ('push' in each) {
          const channel = each.push === 2_000 ? 'latest' : 'a';
          for (let count = 0; count < repeats; count++) tail.push(record(tail.head + 1, each.push, channel));
        } else if ('keep' in each) kept.push(...tail.keep(collect(tail, tail.head - each.keep)));
        else if ('evictTo' in each) tail.evictTo(each.evictTo);
        else if ('dropBack' in each) tail.dropThrough(tail.head - each.dropBack);
        else tail.restart(tail.head);
        tail.assertInvariants();
      }
      expectIntact(collect(tail, 0));
      const newest = tail.newest(new Interest('latest', ['latest'], undefined, [], 0));
      for (let count = 0; count < 200; count++) tail.push(record(tail.head + 1, 4_000));
      expectIntact(newest === undefined ? kept : [...kept, newest]);
    }),
    { numRuns: 60 },
  );
});

test('new events use the memory of those that have left, unless they were found and so kept', () => {
  const tail = createTail();
  const memory = new Set<ArrayBufferLike>();
  for (let position = 1; position <= 5_000; position++) {
    tail.push(record(position, 3_000));
    for (const { body } of collect(tail, position - 1)) memory.add(body.buffer);
  }
  expect(memory.size).toBeLessThanOrEqual(18);
  const found = tail.find('a', 5_000) as StoredRecord;
  expect(memory.has(found.body.buffer)).toBe(false);
  expect(tail.find('a', 5_000)?.body.buffer).toBe(found.body.buffer);
});

test('nothing is left of events that were erased, also after they were kept or had left the tail', () => {
  const tail = createTail();
  for (let position = 1; position <= 5; position++) tail.push(record(position, 2_000));
  const memory = new Uint8Array((collect(tail, 0)[0] as PassingRecord).body.buffer);
  tail.evictTo(tail.bytes - 1);
  const kept = tail.find('a', 3) as StoredRecord;
  tail.dropThrough(3);
  expect([...new Set(memory)].toSorted()).toEqual([0, 4, 5]);
  expectIntact([kept, ...collect(tail, 0)]);
  tail.dropThrough(5);
  expect(memory.every((byte) => byte === 0)).toBe(true);
});

test('an event that is kept does not hold the chunk that its body was in', () => {
  const tail = createTail();
  tail.push(record(1, 2_000));
  const kept = tail.find('a', 1) as StoredRecord & { chunk?: unknown };
  expect(kept.chunk).toBeDefined();
  tail.restart(1);
  expect([kept.chunk, kept.body.length, kept.body.buffer.byteLength]).toEqual([undefined, 2_000, 2_000]);
});

test('a body that is small, or large beside the tail, is not copied', () => {
  const tail = createTail();
  const sizes = [COPIED_BYTES_MIN - 1, COPIED_BYTES_MIN, BYTES_MAX / 64, BYTES_MAX / 64 + 1];
  const pushed = sizes.map((bytes, index) => record(index + 1, bytes));
  expect(pushed.map((each) => tail.push(each))).toEqual([0, COPIED_BYTES_MIN, BYTES_MAX / 64, 0]);
  expect(collect(tail, 0).map(({ body }, index) => body === pushed[index]?.body)).toEqual([true, false, false, true]);
});
