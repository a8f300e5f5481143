import { expect, test } from 'vitest';
import type { JournalChange } from '../core/session-journal/session-record.ts';
import { WaitingChanges } from './waiting-changes.ts';

const RUN = { epoch: 'e', seenMs: 0, isOver: false };

function opening(number: number, channels: readonly string[]): JournalChange {
  return {
    kind: 'opened',
    session: {
      number,
      id: `session ${number}`,
      transport: 'sse',
      kind: 'anonymous',
      user: undefined,
      key: undefined,
      client: undefined,
      address: '203.0.113.7',
      excludesOwn: false,
      channels,
      changes: [],
      types: undefined,
      epoch: 'e',
      openedMs: 0,
      openedAt: 0,
      end: undefined,
    },
  };
}

test('long channel names have a bound in bytes: the oldest changes are lost, and counted', () => {
  const waiting = new WaitingChanges(64);
  let lost = 0;
  for (let number = 1; number <= 20_000; number++)
    if (waiting.add(opening(number, [`${number}.${'x'.repeat(4096)}`]))) lost++;
  expect(lost).toBeGreaterThan(0);
  expect(waiting.count + waiting.lostCount).toBe(20_000);
  // Some 4.1 kB each, in 24 MiB, of which a batch may leave half unused.
  expect(waiting.count).toBeGreaterThan(2_000);
  expect(waiting.count).toBeLessThan(6_200);
  const last = waiting.first(Infinity).at(-1);
  expect(last?.subjects.sessions[last.count - 1]).toBe(20_000);
});

test('what was written waits no more, and its room is used again', () => {
  const waiting = new WaitingChanges(2);
  for (const number of [1, 2, 3]) waiting.add(opening(number, ['a']));
  const [written, filling] = waiting.first(9);
  expect([written?.count, filling?.count]).toEqual([2, 1]);
  waiting.remove(1);
  expect(waiting.count).toBe(1);
  waiting.add(opening(4, ['a']));
  waiting.add(opening(5, ['a']));
  const batches = waiting.first(9);
  expect(batches.map(({ subjects, count }) => [...subjects.sessions.subarray(0, count)])).toEqual([[3, 4], [5]]);
  expect(batches[1]).toBe(written);
});

test('a batch begins with the room that the one before it needed, up to a bound', () => {
  const waiting = new WaitingChanges(64);
  for (let number = 1; number <= 65; number++) waiting.add(opening(number, [`${number}.${'x'.repeat(400)}`]));
  const [filled, next] = waiting.first(2);
  expect(next?.count).toBe(1);
  expect(next?.linesBytes).toBe(filled?.linesBytes);
  for (let number = 66; number <= 129; number++) waiting.add(opening(number, [`${number}.${'x'.repeat(4000)}`]));
  expect(waiting.first(3).at(-1)?.linesBytes).toBe(64 * 1024);
});

test('a user is forgotten with all sessions that name the user anywhere, and the others stay', () => {
  const waiting = new WaitingChanges(2);
  const change = { timeMs: 1, position: 2, channels: ['b'], user: 'ann' };
  const end = { timeMs: 3, position: 4, reason: 'network', polls: 0, skipped: [], gaps: [] } as const;
  const others: readonly JournalChange[] = [
    opening(2, ['a']),
    { kind: 'changed', session: 2, change: { ...change, user: 'bob' } },
    { kind: 'ended', session: 9, user: undefined, end },
    opening(4, ['a']),
  ];
  const ofAnn: readonly JournalChange[] = [
    opening(1, ['a']),
    { kind: 'changed', session: 1, change, authenticatedSinceMs: 1 },
    { kind: 'ended', session: 3, user: 'ann', end },
  ];
  for (const [index, each] of ofAnn.entries()) {
    waiting.add(each);
    waiting.add(others[index] as JournalChange);
  }
  waiting.add(others[3] as JournalChange);
  waiting.forget('ann');
  expect(waiting.count).toBe(4);
  waiting.add(opening(5, ['a']));
  const kept = waiting.first(9).flatMap((batch) => batch.changes(RUN));
  expect(kept).toEqual([...others, opening(5, ['a'])]);
});
