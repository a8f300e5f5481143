import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Interest } from './interests/interest.ts';
import type { Position, StoredRecord } from './ports.ts';
import { RecordDeque } from './record-deque.ts';
import { Tail } from './tail.ts';
import { event } from './testing/feed-world.ts';

/** Memory of an event with a body of ten bytes. */
const EVENT_BYTES = 250;
const size = (bodyBytes: number): number => bodyBytes;

function record(position: Position, channel: string, type?: string): StoredRecord {
  return { ...event(channel, type), position };
}

function createTail(events: number, channelsMax = 1000): Tail {
  const isLatestOnly = (channel: string): boolean => channel.startsWith('latest');
  return new Tail({ bytesMax: events * EVENT_BYTES, channelsMax, isLatestOnly }, 0);
}

function interest(...patterns: readonly string[]): Interest {
  return new Interest(patterns.join(), patterns, undefined, [], 0);
}

function positions(
  tail: Tail,
  wanted: Interest,
  after: Position,
  countMax = Infinity,
  bytesMax = Infinity,
): Position[] {
  return tail.collect(wanted, after, bytesMax, countMax, size).records.map(({ position }) => position);
}

test('the tail has all events of the range that it covers, for any channels and any size', () => {
  const channel = fc.constantFrom('a', 'b', 'c.a', 'c.b', 'd', 'e', 'f', 'g');
  const patterns = fc.uniqueArray(fc.constantFrom('a', 'b', 'c.a', 'd', 'e', 'f', 'g', 'h', 'c.*', '>'), {
    minLength: 1,
  });
  fc.assert(
    fc.property(
      fc.array(channel, { size: 'max', maxLength: 60 }),
      patterns,
      fc.nat(8),
      fc.nat(8),
      (channels, wanted, held, known) => {
        const tail = createTail(held, known);
        channels.forEach((name, index) => tail.push(record(index + 1, name)));
        expect(tail.bytes).toBeLessThanOrEqual(held * EVENT_BYTES);
        const want = interest(...wanted);
        const matching = channels.flatMap((name, index) => (want.matches(record(index + 1, name)) ? [index + 1] : []));
        for (let after = 0; after <= channels.length; after++) {
          if (!tail.covers(want, after)) continue;
          expect(positions(tail, want, after)).toEqual(matching.filter((position) => position > after));
        }
        expect(tail.covers(want, tail.start)).toBe(true);
      },
    ),
    { numRuns: 400 },
  );
});

test('a quiet channel is covered long after the events of others have replaced everything else', () => {
  const tail = createTail(3);
  for (let position = 1; position <= 20; position++) tail.push(record(position, 'busy'));
  expect(tail.start).toBe(17);
  expect([
    tail.covers(interest('quiet'), 0),
    tail.covers(interest('busy'), 16),
    tail.covers(interest('*'), 16),
  ]).toEqual([true, false, false]);
});

test('a batch is as large as allowed, and states the position that it reaches', () => {
  const tail = createTail(10);
  for (const [index, channel] of ['a', 'b', 'a', 'b', 'c'].entries()) tail.push(record(index + 1, channel));
  const both = interest('a', 'b');
  expect(tail.collect(both, 0, Infinity, 2, size)).toMatchObject({
    records: [{ position: 1 }, { position: 2 }],
    reached: 2,
  });
  expect(tail.collect(both, 0, 25, Infinity, size).reached).toBe(2);
  expect(tail.collect(both, 2, 1, Infinity, size).reached).toBe(3);
  expect(tail.collect(both, 3, 10, 1, size)).toMatchObject({ records: [{ position: 4 }], reached: 5 });
});

test('a `latest` channel has its newest event only, in its place in the order', () => {
  const tail = createTail(10);
  for (const [index, channel] of ['latest', 'a', 'latest', 'a', 'latest.b'].entries())
    tail.push(record(index + 1, channel));
  expect(positions(tail, interest('>'), 0)).toEqual([2, 3, 4, 5]);
  expect(positions(tail, interest('latest'), 0)).toEqual([3]);
  expect(positions(tail, interest('a', 'latest'), 1)).toEqual([2, 3, 4]);
  expect(tail.newest(interest('latest'))?.position).toBe(3);
});

test('after opening it covers exactly the events that were read back', () => {
  const tail = new Tail({ bytesMax: 1e6, channelsMax: 10, isLatestOnly: () => false }, 9);
  tail.preload([record(6, 'a'), record(9, 'b')], 5);
  expect([tail.head, tail.start]).toEqual([9, 5]);
  expect([tail.covers(interest('a'), 5), tail.covers(interest('a'), 4), tail.covers(interest('z'), 4)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(positions(tail, interest('a', 'b'), 5)).toEqual([6, 9]);
});

test('removing one event costs the same however many channels have events', () => {
  const channels = 3000;
  const tail = createTail(channels, 10);
  for (let position = 1; position <= channels; position++) tail.push(record(position, `c.${position}`));
  const looks = vi.spyOn(RecordDeque.prototype, 'length', 'get');
  for (let position = 1; position <= 500; position++) tail.push(record(channels + position, `d.${position}`));
  const lookCount = looks.mock.calls.length;
  looks.mockRestore();
  expect(lookCount).toBeLessThan(5000);
  expect(tail.covers(interest('c.1'), 0)).toBe(false);
});

test('a batch of a few channels reads few events, however many lie behind it', () => {
  const tail = createTail(100_000);
  for (let position = 1; position <= 20_000; position++) tail.push(record(position, position % 2 === 0 ? 'a' : 'b'));
  const looks = vi.spyOn(RecordDeque.prototype, 'at');
  for (let after = 0; after < 1000; after += 10) positions(tail, interest('a', 'b'), after, 10);
  const lookCount = looks.mock.calls.length;
  looks.mockRestore();
  expect(lookCount).toBeLessThan(1500);
});

test('a position is newer than a time only if all events from it on are in memory and newer', () => {
  const tail = createTail(4);
  for (let position = 1; position <= 8; position++) tail.push({ ...record(position, 'a'), timeMs: position * 100 });
  const recent = (after: Position, sinceMs: number): boolean => tail.isNewerThan(after, sinceMs);
  const { start } = tail;
  expect(start).toBeGreaterThan(0);
  expect([recent(8, Infinity), recent(9, Infinity), recent(7, 800), recent(7, 801)]).toEqual([true, true, true, false]);
  expect([recent(start, (start + 1) * 100), recent(start, (start + 1) * 100 + 1)]).toEqual([true, false]);
  expect(recent(start - 1, 0)).toBe(false);
});

test('a trimmed event is delivered to no reader, and the trim is remembered until the log has executed it', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'c.a', 'c.b', 'd') },
    {
      weight: 1,
      arbitrary: fc.record({ channel: fc.constantFrom('a', 'b', 'c.a'), countMax: fc.integer({ min: 1, max: 3 }) }),
    },
  );
  const patterns = fc.uniqueArray(fc.constantFrom('a', 'b', 'c.a', 'c.*', 'd', '>'), { minLength: 1 });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      patterns,
      fc.integer({ min: 3, max: 40 }),
      fc.nat(4),
      (steps, wanted, held, known) => {
        const tail = createTail(held, known);
        const want = interest(...wanted);
        let kept: StoredRecord[] = [];
        const removed: StoredRecord[] = [];
        for (const [index, next] of steps.entries())
          if (typeof next === 'string') {
            const pushed = record(index + 1, next);
            kept.push(pushed);
            tail.push(pushed);
          } else {
            const own = kept.filter(({ channel }) => channel === next.channel);
            const gone = own.slice(0, Math.max(0, own.length - next.countMax));
            removed.push(...gone);
            kept = kept.filter((each) => !gone.includes(each));
            tail.applyTrims(tail.trimsOf([next]));
          }
        for (let after = 0; after <= tail.head; after++) {
          if (!tail.covers(want, after)) continue;
          const { records, gapThrough } = tail.collect(want, after, Infinity, Infinity, size);
          const isMatching = (each: StoredRecord): boolean => each.position > after && want.matches(each);
          expect(records).toEqual(kept.filter(isMatching));
          expect(gapThrough).toBe(Math.max(0, ...removed.filter(isMatching).map(({ position }) => position)));
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('a trim removes the oldest by number, bytes and age', () => {
  const tail = createTail(100);
  for (const position of [1, 2, 3, 4, 5, 6]) tail.push({ ...record(position, 'a'), timeMs: position * 1000 });
  for (const position of [7, 8]) tail.push(record(position, 'latest'));
  const through = (order: object): Position | undefined => tail.trimsOf([{ channel: 'a', ...order }])[0]?.through;
  expect(through({ countMax: 2 })).toBe(4);
  expect(through({ countMax: 6 })).toBeUndefined();
  expect(through({ bytesMax: 35 })).toBe(3);
  expect(through({ bytesMax: 5 })).toBe(6);
  expect(through({ bytesMax: 60 })).toBeUndefined();
  expect(through({ olderThanMs: 3000 })).toBe(2);
  expect(through({ olderThanMs: 9000 })).toBe(6);
  expect(through({ olderThanMs: 3000, countMax: 5 })).toBe(2);
  expect(through({ olderThanMs: 3000, bytesMax: 25, countMax: 5 })).toBe(4);
  expect(through({ countMax: 0 })).toBeUndefined();
  expect(
    tail.trimsOf([
      { channel: 'latest', countMax: 1 },
      { channel: 'unknown', countMax: 1 },
    ]),
  ).toEqual([]);
});

test('a channel whose rule changes between one value and a history loses no event', () => {
  let latest = 'a';
  const tail = new Tail({ bytesMax: 5 * EVENT_BYTES, channelsMax: 10, isLatestOnly: (name) => name === latest }, 0);
  for (let position = 1; position <= 6; position++) tail.push(record(position, position % 2 === 0 ? 'a' : 'b'));
  expect(positions(tail, interest('a'), 1)).toEqual([6]);
  latest = 'b';
  tail.refreshChannels();
  tail.assertInvariants();
  expect([positions(tail, interest('a'), 1), positions(tail, interest('b'), 1)]).toEqual([[2, 4, 6], [5]]);
  for (let position = 7; position <= 12; position++) tail.push(record(position, position % 2 === 0 ? 'a' : 'b'));
  tail.assertInvariants();
  expect([positions(tail, interest('a'), 7), positions(tail, interest('>'), 7)]).toEqual([
    [8, 10, 12],
    [8, 10, 11, 12],
  ]);
});
