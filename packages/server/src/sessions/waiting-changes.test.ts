import { expect, test } from 'vitest';
import type { JournalChange } from '../core/session-journal/session-journal-store.ts';
import { WaitingChanges } from './waiting-changes.ts';

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
  const waiting = new WaitingChanges();
  const channels = ['x'.repeat(4096)];
  let lost = 0;
  for (let number = 1; number <= 20_000; number++) if (waiting.add(opening(number, channels))) lost++;
  expect(lost).toBeGreaterThan(0);
  expect(waiting.count + waiting.lostCount).toBe(20_000);
  // Some 8.6 kB each, in 24 MiB.
  expect(waiting.count).toBeLessThan(3_000);
  expect(waiting.opening(1)).toBeUndefined();
  expect(waiting.opening(20_000)?.number).toBe(20_000);
});

test('a record that grows while it waits counts as well', () => {
  const waiting = new WaitingChanges();
  let lost = 0;
  for (let number = 1; number <= 20_000; number++) {
    if (waiting.add(opening(number, []))) lost++;
    waiting.amend(number, { channels: ['x'.repeat(4096)] });
  }
  expect(lost).toBeGreaterThan(0);
  expect(waiting.count).toBeLessThan(3_000);
});

test('what was written waits no more', () => {
  const waiting = new WaitingChanges();
  waiting.add(opening(1, ['a']));
  waiting.add(opening(2, ['a']));
  expect(waiting.first(1)).toHaveLength(1);
  waiting.remove(1);
  expect([waiting.count, waiting.opening(1), waiting.opening(2)?.number]).toEqual([1, undefined, 2]);
});
