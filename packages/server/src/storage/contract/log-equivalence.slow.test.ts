import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Log, NewRecord, ReadQuery, TrimOrder } from '../../core/ports.ts';
import { queryAll, readPages, record } from './log/log-fixtures.ts';
import { createMemoryLog } from '../memory/memory-log.ts';
import { openSqliteLog } from '../sqlite/log/open-sqlite-log.ts';

const HOUR_MS = 3_600_000;
const CHANNELS = ['a', 'b', 'a.b', 'a.c', 'a.b.c', 'd', 'd.a'];

/** Times in a step are in hours before the step's own time. */
type Step = { readonly hours: number } & Action;
type Action =
  | { readonly kind: 'append'; readonly records: readonly NewRecord[] }
  | { readonly kind: 'trim'; readonly orders: readonly TrimOrder[] }
  | { readonly kind: 'read'; readonly query: (log: Log) => ReadQuery }
  | { readonly kind: 'reopen' };

const channel = fc.constantFrom(...CHANNELS);
const hours = fc.integer({ min: 0, max: 60 });

const newRecord: fc.Arbitrary<NewRecord> = fc
  .record({
    channel,
    type: fc.constantFrom(undefined, 'x', 'ÿ€𝄞'),
    body: fc.uint8Array({ maxLength: 40 }),
    retain: fc.constantFrom('history', 'history', 'history', 'latest', 'none'),
    idempotencyKey: fc.constantFrom(undefined, undefined, 'k1', 'k2', 'kü3'),
    ifLatest: fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 3, 5, 8),
  })
  .map((over) =>
    record(over.channel, { ...over, fingerprint: over.idempotencyKey === undefined ? undefined : (over.type ?? 'f') }),
  );

const trimOrder: fc.Arbitrary<TrimOrder> = fc.record(
  { channel, countMax: fc.integer({ min: 0, max: 6 }), bytesMax: fc.integer({ min: 0, max: 150 }), olderThanMs: hours },
  { requiredKeys: ['channel'] },
);

const query = fc
  .record({
    patterns: fc.array(fc.constantFrom(...CHANNELS, '>', 'a.*', 'a.>', 'd.>', '*', '*.a', 'z', 'a.z', 'd.z'), {
      minLength: 1,
      maxLength: 3,
    }),
    types: fc.constantFrom(undefined, ['x'], ['ÿ€𝄞', 'x']),
    direction: fc.constantFrom('forward', 'backward'),
    limit: fc.integer({ min: 1, max: 9 }),
    bytesMax: fc.integer({ min: 1, max: 200 }),
    after: fc.integer({ min: 0, max: 20 }),
    before: fc.integer({ min: 0, max: 5 }),
  })
  .map(
    ({ before, ...rest }) =>
      (log: Log): ReadQuery =>
        ({
          ...queryAll(log, rest.patterns),
          ...rest,
          through: Math.max(rest.after, log.state.head - before),
        }) as ReadQuery,
  );

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .array(newRecord, { minLength: 1, maxLength: 6 })
      .map((records) => ({ kind: 'append' as const, records })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), orders: fc.array(trimOrder, { maxLength: 4 }) }),
  },
  { weight: 4, arbitrary: query.map((made) => ({ kind: 'read' as const, query: made })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

const step: fc.Arbitrary<Step> = fc
  .tuple(fc.integer({ min: 0, max: 15 }), action)
  .map(([passed, made]) => ({ hours: passed, ...made }));

test('with any operations, the SQLite home answers like the memory home', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const folder = await mkdtemp(join(tmpdir(), 'polycast-equivalence-'));
      const memory = createMemoryLog();
      let sqlite = await openSqliteLog({ folder });
      try {
        let nowMs = 1_800_000_000_000;
        for (const next of steps) {
          nowMs += next.hours * HOUR_MS;
          if (next.kind === 'reopen') {
            await sqlite.close();
            sqlite = await openSqliteLog({ folder });
          }
          expect(await outcomeOf(sqlite, next, nowMs)).toEqual(await outcomeOf(memory, next, nowMs));
        }
      } finally {
        await sqlite.close();
        await rm(folder, { recursive: true });
      }
    }),
    { numRuns: 10, endOnFailure: true },
  );
});

async function outcomeOf(log: Log, next: Step, nowMs: number): Promise<unknown> {
  switch (next.kind) {
    case 'append':
      return [await log.append(next.records.map((each) => ({ ...each, timeMs: nowMs }))), log.state.head];
    case 'trim':
      return [
        await log.trim(
          next.orders.map((order) => placed(order, nowMs)),
          nowMs,
        ),
        await log.channels({ after: '', limit: 100 }),
      ];
    case 'read': {
      // Each implementation decides how many events one page examines, and so how many pages there
      // are. Later pages begin at other positions, and may know of other trims.
      const pages = await readPages(log, next.query(log));
      return [pages.flatMap(({ records }) => records), pages[0]?.trimmedThrough];
    }
    case 'reopen':
      return [log.state.head, await log.channels({ after: '', limit: 100 })];
  }
}

function placed(order: TrimOrder, nowMs: number): TrimOrder {
  return order.olderThanMs === undefined ? order : { ...order, olderThanMs: nowMs - order.olderThanMs * HOUR_MS };
}
