import type { Feed } from '../../core/feed.ts';
import type { Position } from '../../core/ports.ts';

/**
 * The position after which every event was accepted at `timeMs` or later; the head when there is
 * none. Takes O(log n) reads of one event.
 */
export async function positionAt(feed: Feed, timeMs: number): Promise<Position> {
  let before: Position = 0;
  let end = feed.head;
  while (before < end) {
    const middle = Math.floor((before + end) / 2);
    const next = await firstAfter(feed, middle, end);
    if (next === undefined || next.timeMs >= timeMs) end = middle;
    else before = next.position;
  }
  return before;
}

/**
 * The position just before the oldest stored event of these channels; the head when there is none.
 */
export async function earliestPosition(feed: Feed, channels: readonly string[]): Promise<Position> {
  const { head } = feed;
  const first = await firstAfter(feed, 0, head, channels);
  return first === undefined ? head : first.position - 1;
}

async function firstAfter(
  feed: Feed,
  after: Position,
  through: Position,
  channels: readonly string[] = EVERYTHING,
): Promise<{ readonly position: Position; readonly timeMs: number } | undefined> {
  const interest = feed.interest(channels);
  for (let from = after; from < through;) {
    const { records, reached } = await feed.read(interest, from, through, 'forward', 1, 1);
    if (records[0] !== undefined) return records[0];
    from = Math.max(reached, from + 1);
  }
  return undefined;
}

const EVERYTHING: readonly string[] = ['>'];
