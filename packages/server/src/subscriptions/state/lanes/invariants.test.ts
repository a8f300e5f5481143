import { expect, test } from 'vitest';
import type { StoredRecord } from '../../../core/ports.ts';
import { InvariantError } from '../../../core/primitives/invariant.ts';
import { AckTracker } from './ack-tracker.ts';
import { BufferedEvents } from './buffered-events.ts';
import { DueHeap, type DueItem } from '../due-heap.ts';
import type { Lane } from './lane.ts';

/** Each test breaks a state that is right, and the assertions find it. */
function expectBroken(check: () => void, statement: string): void {
  expect(check).toThrow(InvariantError);
  expect(check).toThrow(statement);
}

function record(position: number, channel = 'a'): StoredRecord {
  return { position, channel, type: undefined, timeMs: 1, body: new Uint8Array(10) };
}

/** Events 1, 2 and 3 of `a` and 4 of `b` are open. The lane of `a` is handed out. */
function trackerOf(): { tracker: AckTracker; lane: Lane; other: Lane } {
  const tracker = new AckTracker('per-channel', 0);
  tracker.enqueue([record(1), record(2), record(3), record(4, 'b')], 4);
  const lane = tracker.next() as Lane;
  const other = [...tracker.lanes.all()].find((each) => each !== lane) as Lane;
  tracker.assertInvariants();
  return { tracker, lane, other };
}

test.each<[statement: string, breakIt: (lane: Lane, other: Lane) => void]>([
  ['tracker: the lanes that are handed out are counted', (lane) => (lane.phase = 'reading')],
  ['buffered events: they are counted', (lane) => (lane.record = undefined)],
  ['buffered events: they are counted', (lane) => lane.queue?.shift()],
  ['lanes: that of a channel is open', (lane) => ((lane as { channel: string }).channel = 'c')],
  ['lanes: that of a channel is open', (lane) => ((lane as { isAside: boolean }).isAside = true)],
  ['lane: one that is done has left its tracker', (lane) => (lane.phase = 'done')],
  ['lane: only events in memory are handed out together', (lane) => (lane.handedOutCount = 4)],
  ['lane: only events in memory are handed out together', (_lane, other) => (other.handedOutCount = 2)],
  ['lane: attempts are not negative', (lane) => (lane.attempts = -1)],
  ['lane: a done head has events behind it', (lane) => (lane.isHeadDone = true)],
  ['lane: events are in the order of the log', (lane) => (lane.record = record(2))],
  ['lanes: one that waits is woken at its time', (_lane, other) => (other.phase = 'waiting')],
  ['lanes: each that is ready is in the queue once', (_lane, other) => (other.phase = 'reading')],
  ['lanes: only one that waits, or is leased, has a time', (_lane, other) => (other.heapIndex = 0)],
])('%s', (statement, breakIt) => {
  const { tracker, lane, other } = trackerOf();
  breakIt(lane, other);
  expectBroken(() => tracker.assertInvariants(), statement);
});

test('lanes: the waiting ones are counted', () => {
  const { tracker, lane } = trackerOf();
  tracker.retry(lane, 1000);
  tracker.assertInvariants();
  lane.phase = 'reading';
  expectBroken(() => tracker.assertInvariants(), 'lanes: only one that waits, or is leased, has a time');
  lane.heapIndex = -1;
  expectBroken(() => tracker.assertInvariants(), 'lanes: the waiting ones are counted');
});

test('a tracker refuses to open an event twice', () => {
  const { tracker } = trackerOf();
  expectBroken(() => tracker.enqueue([record(4, 'b')], 4), 'tracker: no event is taken up twice');
});

test('events in memory are removed once', () => {
  const buffered = new BufferedEvents();
  buffered.add(record(1));
  buffered.remove(record(1));
  expectBroken(() => buffered.remove(record(1)), 'buffered events: only what was added is removed');
});

test.each<[statement: string, breakIt: (item: DueItem) => void]>([
  ['heap: an item knows its index', (item) => (item.heapIndex = 7)],
  ['heap: no item is due before its parent', (item) => (item.dueMs = 0)],
])('%s', (statement, breakIt) => {
  const heap = new DueHeap();
  const items = [1, 2, 3].map((dueMs) => ({ dueMs, heapIndex: -1 }));
  for (const item of items) heap.set(item, item.dueMs);
  heap.assertInvariants();
  breakIt(items[2] as DueItem);
  expectBroken(() => heap.assertInvariants(), statement);
});
