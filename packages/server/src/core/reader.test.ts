import type { PolycastError } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import type { Position } from './ports.ts';
import { Reader } from './reader.ts';
import {
  createFeedWorld,
  positionFraming,
  publish,
  RecordingSink,
  drainMicrotasks,
  type FeedWorld,
} from './testing/feed-world.ts';

/** A tail of two events, and batches of one. */
const SMALL = { tailBytesMax: 600, batchBytesMax: 1 };

interface Opened {
  readonly reader: Reader;
  readonly sink: RecordingSink;
}

function open(
  { feed }: FeedWorld,
  patterns: readonly string[],
  position: Position,
  countMax?: number,
  through?: Position,
): Opened {
  const sink = new RecordingSink();
  const reader = new Reader(feed, sink, feed.interest(patterns), positionFraming, position, countMax, through);
  return { reader, sink };
}

test('a reader at the head is woken by matching events, and by no others', async () => {
  const world = createFeedWorld(createMemoryLog());
  const { reader, sink } = open(world, ['a'], 0);
  reader.start();
  await publish(world.log, 'b', 'a', 'b', 'a');
  expect(sink.positions).toEqual([2, 4]);
  expect(world.feed.stats).toMatchObject({ wakes: 2, logReads: 0 });
});

test('a quiet reader does not fall behind, however many other events are published', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  const { reader, sink } = open(world, ['x.*'], 0);
  reader.start();
  await publish(world.log, ...Array<string>(50).fill('noise'), 'x.a');
  expect(sink.positions).toEqual([51]);
  expect(world.feed.stats.logReads).toBe(0);
});

test('a blocked reader holds one batch, however much is published, and then receives everything', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  const { reader, sink } = open(world, ['a'], 0);
  sink.isBlocked = true;
  reader.start();
  await publish(world.log, ...Array<string>(20).fill('a'));
  expect(sink.batches).toHaveLength(1);
  expect(reader.isWriting).toBe(true);
  sink.isBlocked = false;
  reader.onFlushed();
  await drainMicrotasks();
  expect(sink.positions).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
});

test('a reader that is fast but far behind receives the ephemeral events that are still in memory', async () => {
  const world = createFeedWorld(createMemoryLog(), { tailBytesMax: 900 });
  await publish(world.log, 'a', 'a', 'a', 'none', 'a');
  const { reader, sink } = open(world, ['a', 'none'], 0);
  reader.start();
  await drainMicrotasks();
  expect(sink.positions).toEqual([1, 2, 3, 4, 5]);
});

test('a poll from behind the tail is answered with all events, also with those in memory', async () => {
  const world = createFeedWorld(createMemoryLog(), { tailBytesMax: 900 });
  await publish(world.log, 'a', 'a', 'a', 'none', 'a');
  const { reader, sink } = open(world, ['a', 'none'], 0, 4);
  sink.isBlocked = true;
  reader.start();
  await drainMicrotasks();
  expect(sink.positions).toEqual([1, 2, 3, 4]);
});

test('a reader stops exactly at its end, and reports it', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, ...Array<string>(10).fill('a'));
  for (const through of [1, 5, 9, 10]) {
    const { reader, sink } = open(world, ['a'], 0, Infinity, through);
    reader.start();
    await drainMicrotasks();
    expect(sink.positions).toEqual(Array.from({ length: through }, (_, index) => index + 1));
    expect([reader.position, sink.caughtUpCount]).toEqual([through, 1]);
  }
});

test('a gap comes before the remaining events, once', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, 'a', 'a', 'b', 'b', 'a', 'b', 'c', 'c', 'c');
  await world.log.trim(
    [
      { channel: 'a', countMax: 0 },
      { channel: 'b', countMax: 1 },
    ],
    0,
  );
  const { reader, sink } = open(world, ['a', 'c'], 0);
  sink.isBlocked = true;
  reader.start();
  await drainMicrotasks();
  expect(sink).toMatchObject({ gaps: [{ from: 0, through: 5 }], positions: [7] });
  sink.isBlocked = false;
  reader.onFlushed();
  await drainMicrotasks();
  expect(sink).toMatchObject({ gaps: [{ from: 0, through: 5 }], positions: [7, 8, 9] });
});

test('a gap of some channels does not cover channels that a reader adds within it', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, 'c', 'c', 'b', 'a', 'd', 'd', 'd');
  await world.log.trim([{ channel: 'a', countMax: 0 }], 0);
  const { reader, sink } = open(world, ['a', 'c'], 0);
  sink.isBlocked = true;
  reader.start();
  await drainMicrotasks();
  expect(sink).toMatchObject({ gaps: [{ from: 0, through: 4 }], positions: [1] });
  await world.log.trim([{ channel: 'b', countMax: 0 }], 0);
  reader.pause();
  sink.isBlocked = false;
  reader.onFlushed();
  reader.resume(world.feed.interest(['b', 'c', 'a']));
  await drainMicrotasks();
  expect(sink.gaps).toEqual([
    { from: 0, through: 4 },
    { from: 1, through: 4 },
  ]);
});

test('a held reader stops at its reported position, and continues from there', async () => {
  const world = createFeedWorld(createMemoryLog());
  const { reader, sink } = open(world, ['a'], 0);
  reader.start();
  await publish(world.log, 'a', 'b');
  expect([reader.pause(), reader.position]).toEqual([true, 2]);
  await publish(world.log, 'a', 'b');
  expect(sink.positions).toEqual([1]);
  reader.resume(world.feed.interest(['a', 'b']));
  expect(sink.positions).toEqual([1, 3, 4]);
});

test('a reader that is held during a write reports when it has stopped', async () => {
  const world = createFeedWorld(createMemoryLog());
  const { reader, sink } = open(world, ['a'], 0);
  sink.isBlocked = true;
  reader.start();
  await publish(world.log, 'a', 'a');
  expect([reader.pause(), sink.caughtUpCount]).toEqual([false, 1]);
  reader.onFlushed();
  expect([reader.position, sink.caughtUpCount]).toEqual([1, 2]);
});

test('a reader that closes during a read receives nothing', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, 'a', 'a', 'a', 'a');
  world.log.isHolding = true;
  const { reader, sink } = open(world, ['a'], 0);
  reader.start();
  reader.close();
  world.log.release();
  await drainMicrotasks();
  expect(sink).toMatchObject({ batches: [], caughtUpCount: 0, failure: undefined });
  expect(world.feed.lag()).toEqual({ readers: 0, behindMax: 0 });
});

test('the lag counts readers that are blocked or paused, until they have caught up or leave', async () => {
  const world = createFeedWorld(createMemoryLog());
  const [live, blocked, paused, leaving] = [0, 1, 2, 3].map(() => open(world, ['a'], 0)) as [
    Opened,
    Opened,
    Opened,
    Opened,
  ];
  for (const { reader } of [live, blocked, paused, leaving]) reader.start();
  blocked.sink.isBlocked = true;
  leaving.sink.isBlocked = true;
  paused.reader.pause();
  await publish(world.log, 'a', 'a');
  await publish(world.log, 'a');
  expect([...world.feed.behind].map(({ sink }) => sink)).toEqual([paused.sink, leaving.sink, blocked.sink]);
  expect(world.feed.lag()).toEqual({ readers: 4, behindMax: 3 });
  leaving.reader.close();
  paused.reader.resume(paused.reader.interest);
  expect([...world.feed.behind].map(({ sink }) => sink)).toEqual([blocked.sink]);
  blocked.sink.isBlocked = false;
  blocked.reader.onFlushed();
  expect(world.feed.lag()).toEqual({ readers: 3, behindMax: 0 });
  world.feed.assertInvariants();
});

test('a reader whose log cannot be read closes with the reason', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, 'a', 'a', 'a', 'a');
  await world.log.close();
  const { reader, sink } = open(world, ['a'], 0);
  reader.start();
  await drainMicrotasks();
  expect(reader.isClosed).toBe(true);
  expect(sink.failure).toMatchObject({ code: 'log_unavailable' });
});

test('a sink may close its own reader, or others, while they are being woken', async () => {
  const world = createFeedWorld(createMemoryLog());
  const all = Array.from({ length: 6 }, () => open(world, ['a'], 0));
  const closing = [5, 3, 0];
  for (const [index, { reader, sink }] of all.entries()) {
    sink.deliver = (batch) => {
      if (index === 5) for (const other of closing) all[other]?.reader.close();
      return RecordingSink.prototype.deliver.call(sink, batch, false);
    };
    reader.start();
  }
  await publish(world.log, 'a', 'a');
  expect(all.map(({ sink }) => sink.positions)).toEqual([[], [1, 2], [1, 2], [], [1, 2], [1]]);
  expect(world.feed.lag().readers).toBe(3);
});

test('a reader from the earliest event receives no gap, and a reader with a cursor does', async () => {
  const log = createMemoryLog();
  const world = createFeedWorld(log, SMALL);
  await publish(log, 'a', 'a', 'a', 'a', 'b', 'b', 'b', 'b');
  await log.trim([{ channel: 'a', countMax: 1 }], 0);
  const earliest = open(world, ['a'], 0);
  earliest.reader.suppressGapThrough(world.feed.head);
  const resumed = open(world, ['a'], 0);
  for (const { reader } of [earliest, resumed]) reader.start();
  await drainMicrotasks();
  expect([earliest.sink.gaps, resumed.sink.gaps]).toEqual([[], [{ from: 0, through: 3 }]]);
  expect([earliest.sink.positions, resumed.sink.positions]).toEqual([[4], [4]]);
});

test('a sink that throws is closed, and the other readers receive their events', async () => {
  const world = createFeedWorld(createMemoryLog());
  const sinks = [open(world, ['a'], 0), open(world, ['a'], 0), open(world, ['a'], 0)];
  const [, broken] = sinks as [Opened, Opened, Opened];
  broken.sink.deliver = () => {
    throw new Error('broken');
  };
  for (const { reader } of sinks) reader.start();
  await publish(world.log, 'a');
  expect(sinks.map(({ sink }) => sink.positions)).toEqual([[1], [], [1]]);
  expect(broken.reader.isClosed).toBe(true);
});

test('a sink that throws on a page of the log ends its own reader', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  await publish(world.log, ...Array<string>(20).fill('a'));
  const { reader, sink } = open(world, ['a'], 0);
  sink.deliver = () => {
    throw new Error('broken');
  };
  reader.start();
  await drainMicrotasks();
  expect(sink.failure).toMatchObject({ code: 'internal_error', cause: new Error('broken') });
  // A client receives the problem document.
  expect(JSON.stringify((sink.failure as PolycastError).problem)).not.toContain('broken');
  expect(reader.isClosed).toBe(true);
});

test('a sink that throws after a flush ends its own reader', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL);
  const { reader, sink } = open(world, ['a'], 0);
  sink.isBlocked = true;
  reader.start();
  await publish(world.log, 'a', 'a', 'a');
  sink.deliver = () => {
    throw new Error('broken');
  };
  reader.onFlushed();
  expect(sink.failure).toMatchObject({ code: 'internal_error' });
  expect(reader.isClosed).toBe(true);
});
