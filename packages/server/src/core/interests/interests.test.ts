import { expect, test } from 'vitest';
import { IDLE_BYTES_MAX, Interests } from './interests.ts';
import type { Interest, Wakeable } from './interest.ts';
import type { StoredRecord } from '../ports.ts';
import { event } from '../testing/feed-world.ts';

const deep = (number: number, index: number): string => `n${number}-${index}.*.${'x'.repeat(140)}.a.b.c`;
const hundred = (number: number): string[] => Array.from({ length: 100 }, (_, index) => deep(number, index));

class Counter implements Wakeable {
  readonly position = 0;
  index = -1;
  count = 0;

  wake(): void {
    this.count++;
  }
}

test('interests without readers stay within their bytes, whatever clients request', () => {
  const forgotten: Interest[] = [];
  const interests = new Interests((interest) => forgotten.push(interest));
  const first = interests.getOrCreate(hundred(0), undefined, [], 0);
  for (let number = 1; number < 1000; number++) interests.getOrCreate(hundred(number), undefined, [], 0);
  expect(interests.idleBytes).toBeLessThanOrEqual(IDLE_BYTES_MAX);
  expect(forgotten[0]).toBe(first);
  expect([...interests.all()].length + forgotten.length).toBe(1000);
});

test('an interest without readers is not indexed until it is requested again', () => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a.*'], undefined, [], 0);
  interests.wake([{ ...event('a.b'), position: 1 }], 0);
  expect([interest.isIndexed, interest.lastMatched, interest.mayHaveNewEvents(0)]).toEqual([false, 0, undefined]);
  expect(interests.getOrCreate(['a.*'], undefined, [], 1)).toBe(interest);
  interests.wake([{ ...event('a.b'), position: 2 }], 1);
  expect([interest.isIndexed, interest.lastMatched, interest.mayHaveNewEvents(1)]).toEqual([true, 2, true]);
});

test('interests with readers are counted, and are not dropped', () => {
  const interests = new Interests();
  const reader = new Counter();
  const other = new Counter();
  const live = interests.getOrCreate(hundred(0), ['t'.repeat(100)], [], 0);
  interests.join(live, reader, 0);
  interests.join(live, other, 0);
  expect([interests.idleBytes, interests.joinedBytes]).toEqual([0, live.bytes]);
  for (let number = 1; number < 500; number++) interests.getOrCreate(hundred(number), undefined, [], 0);
  expect(live.isIndexed).toBe(true);
  interests.leave(live, reader);
  expect(interests.joinedBytes).toBe(live.bytes);
  interests.leave(live, other);
  expect(interests.joinedBytes).toBe(0);
});

test('an interest that was dropped in use is found again when a reader joins it', () => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a.>'], undefined, [], 0);
  for (let number = 0; number < 500; number++) interests.getOrCreate(hundred(number), undefined, [], 0);
  const reader = new Counter();
  interests.join(interest, reader, 0);
  interests.wake([{ ...event('a.b'), position: 1 }], 0);
  expect(reader.count).toBe(1);
  expect(interests.getOrCreate(['a.>'], undefined, [], 1)).toBe(interest);
});

test('each reader is prefetched before it is woken, and woken once, also when readers leave meanwhile', () => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a'], undefined, [], 0);
  class Leaver extends Counter {
    prefetched = 0;
    leaves = false;

    prefetch(): number {
      expect(this.count).toBe(0);
      return ++this.prefetched;
    }

    override wake(): void {
      super.wake();
      if (this.leaves) interests.leave(interest, this);
    }
  }
  // Two whole groups of 16, and a third with fewer readers than are worth it.
  const readers = Array.from({ length: 35 }, () => new Leaver());
  for (const reader of readers) interests.join(interest, reader, 0);
  for (const index of [0, 2, 15, 16, 17, 33, 34]) (readers[index] as Leaver).leaves = true;
  interests.wake([{ ...event('a'), position: 1 }], 0);
  expect(readers.map(({ count }) => count)).toEqual(readers.map(() => 1));
  expect(readers.map(({ prefetched }) => prefetched)).toEqual(readers.map((_, index) => (index < 3 ? 0 : 1)));
  expect(interest.readers).toHaveLength(28);
  interests.assertInvariants();
});

test('readers are woken with the head before the events, and the publish time of the first one', () => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a.*'], undefined, [], 0);
  const woken: number[][] = [];
  const reader: Wakeable = { position: 0, index: -1, wake: (...wake) => void woken.push(wake) };
  interests.join(interest, reader, 0);
  const at = (channel: string, position: number, timeMs: number): StoredRecord => ({
    ...event(channel),
    position,
    timeMs,
  });
  interests.wake([at('b.1', 1, 1000), at('a.1', 2, 1001)], 0);
  interests.wake([at('a.1', 3, 1002)], 2);
  expect(woken).toEqual([
    [0, 1000],
    [2, 1002],
  ]);
});

test('a group is prefetched if its last reader is: durable consumers have nothing to prefetch', () => {
  const interests = new Interests();
  const interest = interests.getOrCreate(['a'], undefined, [], 0);
  class Prefetched extends Counter {
    prefetched = 0;

    prefetch(): number {
      return ++this.prefetched;
    }
  }
  const [one, other] = [new Prefetched(), new Prefetched()];
  // A group of 16 that ends with a durable consumer, behind one that ends with `one`.
  const durable = (): Counter[] => Array.from({ length: 15 }, () => new Counter());
  const readers = [...durable(), one, other, ...durable()];
  for (const reader of readers) interests.join(interest, reader, 0);
  interests.wake([{ ...event('a'), position: 1 }], 0);
  expect(readers.map(({ count }) => count)).toEqual(readers.map(() => 1));
  expect([one.prefetched, other.prefetched]).toEqual([1, 0]);
});
