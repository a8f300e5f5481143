import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Feed } from '../../core/feed.ts';
import type { Log } from '../../core/ports.ts';
import { createMemoryLog } from '../../storage/memory/memory-log.ts';
import { earliestPosition, positionAt } from './position-at.ts';

function feedOf(log: Log): Feed {
  return new Feed(log, {
    tailBytesMax: 1000,
    batchBytesMax: 1000,
    pollBytesMax: 1000,
    logReadsConcurrentMax: 2,
    isLatestOnly: () => false,
    isStored: () => true,
    allocate: (bytes) => new Uint8Array(bytes),
    onDelivered: () => undefined,
  });
}

/**
 * A log with one event for each time, in two channels by turns. Every third event is not stored.
 */
async function logOf(timesMs: readonly number[]): Promise<{ log: Log; kept: { position: number; timeMs: number }[] }> {
  const log = createMemoryLog({ nowMs: () => 0 });
  const kept: { position: number; timeMs: number }[] = [];
  for (const [index, timeMs] of timesMs.entries()) {
    const isKept = index % 3 !== 2;
    const [outcome] = await log.append([
      {
        channel: `c${index % 2}`,
        type: undefined,
        timeMs,
        body: Buffer.from(`"channel":"c${index % 2}","data":1}`),
        retain: isKept ? 'history' : 'none',
        idempotencyKey: undefined,
        fingerprint: undefined,
        ifLatest: undefined,
      },
    ]);
    if (isKept && outcome?.kind === 'appended') kept.push({ position: outcome.position, timeMs });
  }
  return { log, kept };
}

const times = fc
  .array(fc.integer({ min: 0, max: 20 }), { maxLength: 40 })
  .map((each) => each.toSorted((one, other) => one - other));

test('the events after the position of a time are those accepted then or later', async () => {
  await fc.assert(
    fc.asyncProperty(times, fc.integer({ min: -1, max: 22 }), async (timesMs, sinceMs) => {
      const { log, kept } = await logOf(timesMs);
      const position = await positionAt(feedOf(log), sinceMs);
      const after = kept.filter((record) => record.position > position);
      expect(after).toEqual(kept.filter((record) => record.timeMs >= sinceMs));
    }),
    { numRuns: 200 },
  );
});

test('it is found with a logarithmic number of reads', async () => {
  const { log } = await logOf(Array.from({ length: 3000 }, (_, index) => index));
  const feed = feedOf(log);
  await positionAt(feed, 1234);
  expect(feed.stats.logReads).toBeLessThan(30);
});

test('the earliest position of some channels is just before their first stored event', async () => {
  const { log, kept } = await logOf([1, 2, 3, 4]);
  const feed = feedOf(log);
  expect(await earliestPosition(feed, ['c0'])).toBe((kept[0]?.position ?? 0) - 1);
  expect(await earliestPosition(feed, ['c1'])).toBe((kept[1]?.position ?? 0) - 1);
  expect(await earliestPosition(feed, ['elsewhere'])).toBe(log.state.head);
});
