import { encodeCursor, PolycastError } from '@polycast/protocol';
import { expect, test } from 'vitest';
import { createMemoryLog } from '../storage/memory/memory-log.ts';
import type { Log, NewRecord } from './ports.ts';
import { Publisher, type PublishRequest } from './publish.ts';
import { ChannelRules, type ChannelSettings } from './access/channel-rules.ts';

const SETTINGS: ChannelSettings = {
  retain: 'history',
  historyCountMax: undefined,
  historyAgeMaxMs: undefined,
  historyBytesMax: undefined,
  eventBytesMax: 200,
  publishRatePerSecond: undefined,
  publishBurst: 1,
  userPublishRatePerSecond: undefined,
  userPublishBurst: 1,
};

function publisherOf(log: Log, settings: Partial<ChannelSettings> = {}, queueBytesMax = 10_000): Publisher {
  const clock = { nowMs: () => 1_800_000_000_000, monotonicMs: () => 0 };
  const options = {
    appendQueueBytesMax: queueBytesMax,
    encode: (text: string) => new TextEncoder().encode(text),
    fingerprint: (text: string) => text,
    onAppended: () => undefined,
  };
  return new Publisher(log, new ChannelRules([], { ...SETTINGS, ...settings }), clock, options);
}

const event = (over: Partial<PublishRequest> = {}): PublishRequest => ({
  channel: 'a',
  type: undefined,
  content: '"data":1',
  idempotencyKey: undefined,
  ifMatch: undefined,
  ...over,
});
const codes = async (publisher: Publisher, requests: readonly PublishRequest[]): Promise<string[]> =>
  (await publisher.publish(requests)).map((result) => (result.ok ? 'ok' : result.error.code));

test('the stored content is the event without its id', async () => {
  const log = createMemoryLog();
  await publisherOf(log).publish([event({ type: 'a "b"\u2028' })]);
  const { records } = await log.read({
    patterns: ['>'],
    types: undefined,
    after: 0,
    through: log.state.head,
    direction: 'forward',
    limit: 10,
    bytesMax: 1e6,
  });
  expect(new TextDecoder().decode(records[0]?.body)).toBe(
    '"channel":"a","type":"a \\"b\\"\u2028","time":"2027-01-15T08:00:00.000Z","data":1}',
  );
});

test('each event has its own result, whatever the results of the others', async () => {
  const publisher = publisherOf(createMemoryLog());
  const large = event({ content: `"data":"${'x'.repeat(200)}"` });
  const requests = [
    event(),
    large,
    event({ idempotencyKey: 'k' }),
    event({ idempotencyKey: 'k' }),
    event({ idempotencyKey: 'k', content: '"data":2' }),
    event({ ifMatch: 'none' }),
  ];
  expect(await codes(publisher, requests)).toEqual([
    'ok',
    'event_too_large',
    'ok',
    'ok',
    'idempotency_key_reused',
    'precondition_failed',
  ]);
  expect(publisher.stats).toMatchObject({ published: 2, replayed: 1, refused: 3, failed: 0 });
  expect(await codes(publisher, [])).toEqual([]);
});

test('a condition is valid with cursors of this log only', async () => {
  const log = createMemoryLog();
  const publisher = publisherOf(log);
  const [first] = await publisher.publish([event()]);
  const position = first?.ok === true ? first.position : -1;
  const [own, foreign] = [encodeCursor(log.state.epoch, position), encodeCursor('00000000zz', position)];
  expect(
    await codes(publisher, [
      event({ ifMatch: foreign }),
      event({ ifMatch: 'no cursor' }),
      event({ ifMatch: own }),
      event({ ifMatch: own }),
    ]),
  ).toEqual(['precondition_failed', 'precondition_failed', 'ok', 'precondition_failed']);
});

test('a rate limit refuses, and says when to retry', async () => {
  const [first, second] = await publisherOf(createMemoryLog(), { publishRatePerSecond: 4 }).publish([event(), event()]);
  expect(first?.ok).toBe(true);
  expect(second?.ok === false && [second.error.code, second.error.extensions]).toEqual([
    'rate_limited',
    { retryAfterMs: 250 },
  ]);
});

test('the queue for the disk is bounded, but one publish of any size is accepted', async () => {
  const { log, release } = slowLog();
  const publisher = publisherOf(log, {}, 100);
  const first = publisher.publish([event(), event(), event()]);
  expect(publisher.queuedBytes).toBeGreaterThan(100);
  expect(await codes(publisher, [event()])).toEqual(['overloaded']);
  release();
  expect((await first).every(({ ok }) => ok)).toBe(true);
  expect(publisher.queuedBytes).toBe(0);
});

test.each([
  [new PolycastError('log_full'), 'log_full'],
  [new Error('something else'), 'log_unavailable'],
])('a log that fails with %o yields a result', async (error, code) => {
  const log = {
    ...createMemoryLog(),
    state: createMemoryLog().state,
    append: async () => {
      throw error;
    },
  } as unknown as Log;
  const publisher = publisherOf(log);
  expect(await codes(publisher, [event(), event()])).toEqual([code, code]);
  expect(publisher.stats.failed).toBe(2);
  expect(publisher.queuedBytes).toBe(0);
});

/** A log with appends that wait until the test releases them. */
function slowLog(): { log: Log; release: () => void } {
  const inner = createMemoryLog();
  const gate = Promise.withResolvers<void>();
  const append = async (records: readonly NewRecord[]): ReturnType<Log['append']> => {
    await gate.promise;
    return inner.append(records);
  };
  return { log: { state: inner.state, append } as unknown as Log, release: gate.resolve };
}
