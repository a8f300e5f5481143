import { jsonFraming, sseFraming } from '@polycast/protocol';
import { describe, expect, test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import { Feed } from './feed.ts';
import type { FeedOptions } from './feed-options.ts';
import { TRIM_GRACE_MS } from './pending-trims.ts';
import type { Batch } from './events/batch.ts';
import { Reader } from './reader.ts';
import {
  createFeedWorld,
  event,
  positionFraming,
  positionsOf,
  publish,
  RecordingSink,
  drainMicrotasks,
  type FeedWorld,
} from './testing/feed-world.ts';

/** A tail of two events. */
const SMALL_TAIL = { tailBytesMax: 600 };

function ten(channel: string): string[] {
  return Array<string>(10).fill(channel);
}

test('a thousand readers at one position share one joined batch, live and late', async () => {
  const world = createFeedWorld(createMemoryLog());
  const sinks = Array.from({ length: 1000 }, () => new RecordingSink());
  for (const sink of sinks) new Reader(world.feed, sink, world.feed.interest(['a']), positionFraming, 0).start();
  await world.log.append([event('a'), event('a')]);
  expect(world.allocations).toBe(1);
  expect(new Set(sinks.map(({ batches }) => batches[0]?.bytes)).size).toBe(1);

  for (const sink of sinks) new Reader(world.feed, sink, world.feed.interest(['a']), positionFraming, 0).start();
  expect(world.allocations).toBe(1);
  expect(sinks.every(({ positions }) => positions.join() === '1,2,1,2')).toBe(true);
});

test('each framing has batches of its own', async () => {
  const world = createFeedWorld(createMemoryLog());
  const sink = new RecordingSink();
  sink.deliver = (batch) => sink.batches.push(batch) > 0;
  for (const framing of [sseFraming, jsonFraming, sseFraming])
    new Reader(world.feed, sink, world.feed.interest(['a']), framing, 0).start();
  await publish(world.log, 'a');
  expect(world.allocations).toBe(2);
});

test('many readers far behind cost one or two reads of the log, together or one by one, while events are published', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  await publish(world.log, ...ten('a'));
  const sinks = Array.from({ length: 100 }, () => new RecordingSink());
  for (const [index, sink] of sinks.entries()) {
    new Reader(world.feed, sink, world.feed.interest(['a']), positionFraming, 0).start();
    if (index >= 50) await drainMicrotasks();
    if (index % 10 === 9) await publish(world.log, 'b');
  }
  await drainMicrotasks();
  // One read, then reads of the events that have left the tail since.
  expect(world.log.queries.length).toBeLessThanOrEqual(3);
  expect(sinks.every(({ positions }) => positions.join() === '1,2,3,4,5,6,7,8,9,10')).toBe(true);
});

test('polls with the same request at the same time cost one read of the log', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  await publish(world.log, ...ten('a'));
  const { feed } = world;
  const pages = await Promise.all(
    Array.from({ length: 50 }, () => feed.catchUp(feed.interest(['a']), positionFraming, 2, 5, Infinity)),
  );
  expect(world.log.queries).toHaveLength(1);
  expect(new Set(pages.map((page) => positionsOf(page).join()))).toEqual(new Set(['3,4,5,6,7']));
});

test('concurrent reads of the log are bounded, and all complete', async () => {
  const world = createFeedWorld(createMemoryLog(), { ...SMALL_TAIL, logReadsConcurrentMax: 3 });
  await publish(world.log, ...ten('a'), ...ten('b'));
  const { feed } = world;
  world.log.isHolding = true;
  const reads = Array.from({ length: 9 }, (_, after) =>
    feed.catchUp(feed.interest(['a']), positionFraming, after, 1, Infinity),
  );
  await drainMicrotasks();
  expect(world.log.queries).toHaveLength(3);
  world.log.release();
  // New reads do not overtake those that wait.
  const later = feed.catchUp(feed.interest(['b']), positionFraming, 0, 1, Infinity);
  await Promise.all([...reads, later]);
  expect(world.log.runningMax).toBe(3);
  expect(world.log.queries).toHaveLength(10);
});

test('a channel without new events is known to be quiet after one read', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  const { feed } = world;
  const early = indexed(feed, ['x.*']);
  await publish(world.log, ...ten('a'));
  expect(feed.isQuiet(early, 0)).toBe(true);
  const late = indexed(feed, ['y.*']);
  expect(feed.isQuiet(late, 0)).toBeUndefined();
  expect(feed.isQuiet(late, feed.tail.start)).toBe(true);
  await feed.catchUp(late, positionFraming, 0, Infinity, Infinity);
  expect(feed.isQuiet(late, 0)).toBe(true);
  await publish(world.log, 'y.a');
  expect([feed.isQuiet(late, 0), feed.isQuiet(late, feed.head - 1), feed.isQuiet(late, feed.head)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(feed.isQuiet(early, 0)).toBe(true);
});

test('a dropped interest is not trusted to be quiet, and is indexed again for a new reader', async () => {
  const world = createFeedWorld(createMemoryLog());
  const { feed } = world;
  const forgotten = indexed(feed, ['a']);
  for (let index = 0; index < 5000; index++) feed.interest([`idle.${index}`]);
  expect(forgotten.isIndexed).toBe(false);
  await publish(world.log, 'a');
  expect(feed.isQuiet(forgotten, 0)).toBe(false);

  const sink = new RecordingSink();
  new Reader(feed, sink, forgotten, positionFraming, 0).start();
  await publish(world.log, 'a', 'b', 'a');
  expect(sink.positions).toEqual([1, 2, 4]);
  const again = new RecordingSink();
  new Reader(feed, again, feed.interest(['a']), positionFraming, 1).start();
  await publish(world.log, 'a');
  expect([again.positions, sink.positions]).toEqual([
    [2, 4, 5],
    [1, 2, 4, 5],
  ]);
});

test('the last events of a channel are searched backwards from the newest, in pages, once for all who request them', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  await publish(world.log, ...ten('a'), ...ten('b'));
  const { feed } = world;
  const asked = [1, 3, 10, 11].map((count) =>
    Promise.all([1, 2, 3].map(() => feed.historyStart(feed.interest(['a']), count))),
  );
  expect(await Promise.all(asked)).toEqual([9, 7, 0, 0].map((start) => [start, start, start]));
  expect(world.log.queries).toHaveLength(4);
  expect(await feed.historyStart(feed.interest(['a', 'b']), 12)).toBe(8);
  expect(world.log.queries.every(({ bytesMax }) => bytesMax <= 1024 * 1024)).toBe(true);
});

test('after a restart the newest events are in memory, as far back as they are complete', async () => {
  const log = createMemoryLog();
  await publish(log, ...ten('a'), ...ten('b'), 'latest', 'a', 'latest', 'a');
  await log.trim([{ channel: 'a', countMax: 3 }], 0);
  const world = createFeedWorld(log);
  await world.feed.preload();
  const { feed } = world;
  expect([feed.head, feed.tail.start]).toEqual([24, 9]);
  const sink = new RecordingSink();
  new Reader(feed, sink, feed.interest(['>']), positionFraming, 9).start();
  await publish(world.log, 'a');
  expect(sink.positions).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25]);
  expect(world.log.queries).toHaveLength(1);
});

test('removed events are delivered from memory for a while, and then reported as a gap', async () => {
  const { log, feed } = createFeedWorld(createMemoryLog());
  await publish(log, ...ten('a'), 'b', 'latest', 'latest');
  const seenBy = (...patterns: readonly string[]): unknown => {
    const sink = new RecordingSink();
    new Reader(feed, sink, feed.interest(patterns), positionFraming, 0).start();
    return [sink.positions.join(), sink.gaps.map(({ through }) => through).join()];
  };
  const all = ['1,2,3,4,5,6,7,8,9,10,11,13', ''];
  expect(seenBy('>')).toEqual(all);
  const orders = [
    { channel: 'a', countMax: 3 },
    { channel: 'latest', countMax: 1 },
  ];
  await log.trim(orders, 0);
  feed.onTrimmed(orders, 0);
  feed.onTrimmed([], TRIM_GRACE_MS - 1);
  expect(seenBy('>')).toEqual(all);
  feed.onTrimmed([], TRIM_GRACE_MS);
  expect(seenBy('>')).toEqual(['8,9,10,11,13', '7']);
  expect(seenBy('a')).toEqual(['8,9,10', '7']);
  expect(seenBy('a', 'b')).toEqual(['8,9,10,11', '7']);
  expect(seenBy('b')).toEqual(['11', '']);
  expect(feed.find('a', 7)).toBeUndefined();
  expect(log.queries).toEqual([]);

  const last = { channel: 'a', olderThanMs: event('a').timeMs + 1 };
  await log.trim([last], 0);
  feed.onTrimmed([last], 0);
  feed.onTrimmed([], TRIM_GRACE_MS);
  expect(seenBy('a')).toEqual(['', '10']);
  expect(feed.newest(feed.interest(['a']))).toBeUndefined();
  await publish(log, 'a');
  expect(seenBy('a')).toEqual(['14', '10']);
});

test('an event that is erased while a page is read is not given to later readers', async () => {
  const { log, feed } = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  await publish(log, ...ten('a'));
  const interest = feed.interest(['a']);
  const staying = new RecordingSink();
  new Reader(feed, staying, interest, positionFraming, 10).start();
  const early = new RecordingSink();
  log.isHolding = true;
  new Reader(feed, early, interest, positionFraming, 0).start();
  await drainMicrotasks();
  expect(log.queries).toHaveLength(1);

  await log.erasing.erase({ positions: [1], channels: [] });
  feed.onErased([1]);
  const late = [new RecordingSink(), new RecordingSink()] as const;
  new Reader(feed, late[0], interest, positionFraming, 0).start();
  log.release();
  await drainMicrotasks();
  new Reader(feed, late[1], interest, positionFraming, 0).start();
  await drainMicrotasks();
  expect(early.positions).toContain(1);
  for (const sink of late) {
    expect(sink.positions.join()).toBe('2,3,4,5,6,7,8,9,10');
    expect(sink.gaps).toEqual([{ from: 0, through: 1 }]);
  }
});

test('a partial page is followed by a read from its end', async () => {
  const world = createFeedWorld(createMemoryLog(), SMALL_TAIL);
  for (let count = 0; count < 3; count++) {
    await world.log.append(Array.from({ length: 2048 }, () => event('noise')));
    await publish(world.log, 'x.a');
  }
  const sink = new RecordingSink();
  new Reader(world.feed, sink, world.feed.interest(['x.*']), positionFraming, 0).start();
  await drainMicrotasks();
  expect(sink.positions).toEqual([2049, 4098, 6147]);
});

test('each commit is reported once, when live readers have received it', async () => {
  const sink = new RecordingSink();
  const seen: unknown[] = [];
  const log = createMemoryLog();
  const feed: Feed = new Feed(log, {
    tailBytesMax: 1e6,
    batchBytesMax: 1e5,
    pollBytesMax: 1e5,
    logReadsConcurrentMax: 1,
    isLatestOnly: () => false,
    isStored: () => true,
    allocate: (bytes) => new Uint8Array(bytes),
    onDelivered: (records) => seen.push([records.length, ...sink.batches.map(({ count }: Batch) => count)]),
  });
  new Reader(feed, sink, feed.interest(['a', '>', 'a']), positionFraming, 0).start();
  await log.append([event('a'), event('b'), event('a')]);
  expect(seen).toEqual([[3, 3]]);
  expect(feed.stats.wakes).toBe(1);
});

/** An interest is indexed after the second request. */
function indexed(feed: Feed, patterns: readonly string[]): ReturnType<Feed['interest']> {
  feed.interest(patterns);
  return feed.interest(patterns);
}

describe('where nobody reads', () => {
  async function openUnread(options: Partial<FeedOptions> = {}): Promise<FeedWorld> {
    const world = createFeedWorld(createMemoryLog(), options, true);
    await world.feed.preload();
    return world;
  }

  test('a commit is unpacked when a poll asks for it, also with an interest from before', async () => {
    const { log, feed } = await openUnread();
    const interest = feed.interest(['a']);
    await publish(log, 'a', 'b', 'a');
    expect([feed.head, feed.tail.count, log.unpacked]).toEqual([3, 3, 0]);
    expect(positionsOf(feed.next(interest, positionFraming, 0, Infinity, Infinity) as Batch)).toEqual([1, 3]);
    expect(log.unpacked).toBe(3);
    feed.assertInvariants();
  });

  test('a reader that joins gets what was not read, and each later commit at once', async () => {
    const { log, feed } = await openUnread();
    const interest = feed.interest(['a']);
    await publish(log, 'a', 'a');
    const sink = new RecordingSink();
    const reader = new Reader(feed, sink, interest, positionFraming, 1);
    reader.start();
    await publish(log, 'a');
    expect(sink.positions).toEqual([2, 3]);
    reader.close();
    await publish(log, 'a');
    expect(log.unpacked).toBe(3);
  });

  test('a consumer that joins is woken for later events alone', async () => {
    const { log, feed } = await openUnread();
    const interest = feed.interest(['a']);
    await publish(log, 'a', 'a');
    const wakes: number[] = [];
    feed.join(interest, { wake: (from) => wakes.push(from), position: 2, index: -1, isDurable: true });
    await publish(log, 'a');
    expect(wakes).toEqual([2]);
  });

  test('events beyond the bound are read from the log, also for an interest that knew the tail', async () => {
    const { log, feed } = await openUnread({ tailBytesMax: 1000 });
    await publish(log, 'a', 'quiet');
    for (let asked = 0; asked < 2; asked++) feed.next(feed.interest(['a']), positionFraming, 0, Infinity, Infinity);
    const interest = feed.interest(['a']);
    await publish(log, ...ten('a'), ...ten('b'), ...ten('b'), ...ten('b'), ...ten('b'), ...ten('b'), ...ten('b'));
    expect(feed.tail.bytes).toBeLessThanOrEqual(1000);
    expect(feed.next(interest, positionFraming, 2, Infinity, Infinity)).toBe('behind');
    const batch = await feed.catchUp(interest, positionFraming, 2, Infinity, Infinity);
    expect(positionsOf(batch)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(log.unpacked).toBeLessThan(60);
    feed.assertInvariants();
  });
});
