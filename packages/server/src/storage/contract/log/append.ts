import { expect, test } from 'vitest';
import { ANY_POSITION } from '../../../core/events/latest.ts';
import type { AppendOutcome, NewRecord, StoredRecord } from '../../../core/ports.ts';
import {
  record,
  queryAll,
  positionOf,
  channelsRead,
  kinds,
  bodyOf,
  bytes,
  text,
  HOUR_MS,
  START_MS,
} from './log-fixtures.ts';
import type { OpenLog } from './log-fixtures.ts';

export function appendTests(openLog: OpenLog): void {
  test('a new log is empty and has an epoch', async () => {
    const log = await openLog({});
    expect(log.state).toEqual({
      epoch: expect.stringMatching(/^[0-9a-z]{10}$/),
      epochStart: 0,
      head: 0,
      unavailable: undefined,
    });
  });

  test('positions rise in the order of the calls and of the records', async () => {
    const log = await openLog({});
    const outcomes = (
      await Promise.all([log.append([record('a'), record('b')]), log.append([record('a')]), log.append([record('c')])])
    ).flat();
    const positions = outcomes.map(positionOf);
    expect(positions).toHaveLength(4);
    expect(positions).toEqual(positions.toSorted((left, right) => left - right));
    expect(new Set(positions).size).toBe(4);
    expect(log.state.head).toBe(positions.at(-1));
  });

  test('the head does not move, and no follower is called, before the call has returned', async () => {
    const log = await openLog({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const pending = log.append([record('a')]);
    expect([log.state.head, followed.length]).toEqual([0, 0]);
    await pending;
    expect(followed).toHaveLength(1);
  });

  test('followers receive the appended events, in order and unchanged, before the append resolves', async () => {
    const log = await openLog({});
    const seen: string[] = [];
    log.follow((records) => {
      for (const { position, channel, type, timeMs, body } of records)
        seen.push([position <= log.state.head, channel, type, timeMs, text(body)].join(' '));
    });
    const first = log
      .append([record('a', { type: 'made' }), record('b', { retain: 'none' })])
      .then(() => seen.push('first resolved'));
    const second = log.append([record('c')]).then(() => seen.push('second resolved'));
    await Promise.all([first, second]);
    const [a, b, c] = [
      `true a made ${START_MS} ${bodyOf('a')}`,
      `true b  ${START_MS} ${bodyOf('b')}`,
      `true c  ${START_MS} ${bodyOf('c')}`,
    ];
    expect(seen.filter((line) => line.startsWith('true'))).toEqual([a, b, c]);
    expect(seen.indexOf(b)).toBeLessThan(seen.indexOf('first resolved'));
    expect(seen.indexOf(c)).toBeLessThan(seen.indexOf('second resolved'));
  });

  test('a trace context is stored with its event, and events without one have none', async () => {
    const log = await openLog({});
    const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 vendor="x y"';
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    await log.append([record('a', { trace, type: 'made' }), record('a'), record('a', { trace })]);
    const { records } = await log.read(queryAll(log, ['a']));
    for (const seen of [followed, records]) expect(seen.map((each) => each.trace)).toEqual([trace, undefined, trace]);
  });

  test('a follower may append', async () => {
    const log = await openLog({});
    const followed: string[] = [];
    const { promise, resolve } = Promise.withResolvers<unknown>();
    log.follow((records) => {
      followed.push(...records.map(({ channel }) => channel));
      if (followed.length === 1) resolve(log.append([record('b')]));
    });
    await log.append([record('a')]);
    await promise;
    expect(followed).toEqual(['a', 'b']);
  });

  test('an append of nothing has no outcomes', async () => {
    const log = await openLog({});
    expect(await log.append([])).toEqual([]);
    expect(log.state.head).toBe(0);
  });

  test('bodies are returned byte for byte, empty and large ones included', async () => {
    const log = await openLog({});
    const bodies = [new Uint8Array(), Uint8Array.of(0, 255, 10), new Uint8Array(300_000).fill(7)];
    const embedded = Buffer.concat([Buffer.from('before'), Buffer.from('inside'), Buffer.from('after')]).subarray(
      6,
      12,
    );
    await log.append([...bodies, embedded].map((body) => record('a', { body })));
    const { records } = await log.read(queryAll(log, ['a']));
    expect(records.map(({ body }) => body.byteLength)).toEqual([0, 3, 300_000, 6]);
    for (const [index, body] of [...bodies, embedded].entries())
      expect(Buffer.compare(body, (records[index] as StoredRecord).body)).toBe(0);
  });

  test('a new channel beyond the limit is refused, known and ephemeral ones are not', async () => {
    const log = await openLog({ channelsMax: 2 });
    const outcomes = await log.append([
      record('a'),
      record('b'),
      record('c'),
      record('a'),
      record('c', { retain: 'none' }),
    ]);
    expect(kinds(outcomes)).toEqual(['appended', 'appended', 'channel_limit', 'appended', 'appended']);
    expect(await channelsRead(log, ['>'])).toEqual(['a', 'b', 'a']);
  });
}

export function conditionTests(openLog: OpenLog): void {
  const keyed = (key: string, fingerprint: string, overrides: Partial<NewRecord> = {}): NewRecord =>
    record('a', { idempotencyKey: key, fingerprint, ...overrides });

  test('a used key returns the first outcome again, in one batch, the same turn and later', async () => {
    const log = await openLog({});
    const [[first, again], [third]] = (await Promise.all([
      log.append([keyed('k', 'f'), keyed('k', 'f', { timeMs: START_MS + 5 })]),
      log.append([keyed('k', 'f', { timeMs: START_MS + 6 })]),
    ])) as [[AppendOutcome, AppendOutcome], [AppendOutcome]];
    const duplicate = { kind: 'duplicate', position: positionOf(first), channel: 'a', timeMs: START_MS };
    expect([again, third]).toEqual([duplicate, duplicate]);
    expect(await log.append([keyed('k', 'f', { timeMs: START_MS + 7 })])).toEqual([duplicate]);
    expect(await channelsRead(log, ['a'])).toEqual(['a']);
  });

  test('a key that was used for another event is refused', async () => {
    const log = await openLog({});
    expect(kinds(await log.append([keyed('k', 'f'), keyed('k', 'g'), keyed('l', 'g')]))).toEqual([
      'appended',
      'key_reused',
      'appended',
    ]);
  });

  test('a key is valid for 24 hours, whether its event was removed or not', async () => {
    const log = await openLog({});
    await log.append([keyed('k', 'f'), keyed('l', 'f')]);
    expect(kinds(await log.append([keyed('k', 'g', { timeMs: START_MS + 24 * HOUR_MS })]))).toEqual(['appended']);
    await log.trim([], START_MS + 24 * HOUR_MS);
    expect(kinds(await log.append([keyed('l', 'g', { timeMs: START_MS + 23 * HOUR_MS })]))).toEqual(['appended']);
    expect(kinds(await log.append([keyed('k', 'g', { timeMs: START_MS + 47 * HOUR_MS })]))).toEqual(['duplicate']);
  });

  test('keys are valid for ephemeral events, and a refused event uses no key', async () => {
    const log = await openLog({});
    expect(kinds(await log.append([keyed('k', 'f', { retain: 'none' }), keyed('k', 'f', { retain: 'none' })]))).toEqual(
      ['appended', 'duplicate'],
    );
    expect(kinds(await log.append([keyed('l', 'f', { ifLatest: 99 }), keyed('l', 'f')]))).toEqual([
      'conflict',
      'appended',
    ]);
  });

  test('ifLatest is decided in the order of the appends', async () => {
    const log = await openLog({});
    const [outcome] = await log.append([record('a', { ifLatest: 0 })]);
    const position = positionOf(outcome as AppendOutcome);
    const [[second], [third]] = (await Promise.all([
      log.append([record('a', { ifLatest: position })]),
      log.append([record('a', { ifLatest: position })]),
    ])) as [[AppendOutcome], [AppendOutcome]];
    expect(third).toEqual({ kind: 'conflict', latest: positionOf(second) });
    expect(await log.append([record('b', { ifLatest: position })])).toEqual([{ kind: 'conflict', latest: 0 }]);
    expect(await log.append([record('a', { ifLatest: 0 })])).toEqual([
      { kind: 'conflict', latest: positionOf(second) },
    ]);
    expect(kinds(await log.append([record('b', { ifLatest: 0 })]))).toEqual(['appended']);
  });

  test('ifLatest of any position succeeds if the channel has an event', async () => {
    const log = await openLog({});
    const conditional = record('a', { ifLatest: ANY_POSITION });
    expect(await log.append([conditional])).toEqual([{ kind: 'conflict', latest: 0 }]);
    expect(kinds(await log.append([record('a'), conditional, conditional]))).toEqual(Array(3).fill('appended'));
  });

  test('a duplicate is reported before ifLatest is checked', async () => {
    const log = await openLog({});
    const outcomes = await log.append([
      keyed('k', 'f', { ifLatest: 0 }),
      keyed('k', 'f', { ifLatest: 0 }),
      keyed('k', 'g', { ifLatest: 0 }),
    ]);
    expect(kinds(outcomes)).toEqual(['appended', 'duplicate', 'key_reused']);
  });
}

export function retainTests(openLog: OpenLog): void {
  test('a latest channel keeps its newest event, and the events that it replaced are not a loss', async () => {
    const log = await openLog({});
    await log.append([
      record('a', { retain: 'latest', type: 'one' }),
      record('b'),
      record('a', { retain: 'latest', type: 'two' }),
    ]);
    await log.append([record('a', { retain: 'latest', type: 'three' })]);
    const page = await log.read(queryAll(log, ['>']));
    expect(page.records.map(({ channel, type }) => [channel, type])).toEqual([
      ['b', undefined],
      ['a', 'three'],
    ]);
    expect(page.trimmedThrough).toBe(0);
    expect(await log.channels({ after: '', limit: 1 })).toMatchObject([
      { channel: 'a', count: 1, latestPosition: log.state.head },
    ]);
  });

  test('an ephemeral event has a position and is sent to followers, and is not stored', async () => {
    const log = await openLog({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const [, second, third] = await log.append([
      record('a'),
      record('a', { retain: 'none' }),
      record('a', { ifLatest: 0 }),
    ]);
    expect(second).toEqual({ kind: 'appended', position: log.state.head });
    expect(third).toMatchObject({ kind: 'conflict' });
    expect(followed).toHaveLength(2);
    const page = await log.read(queryAll(log, ['a']));
    expect(page).toMatchObject({
      records: [{ position: followed[0]?.position }],
      reached: log.state.head,
      trimmedThrough: 0,
      erasedThrough: 0,
    });
  });

  test('a channel may change between all three settings', async () => {
    const log = await openLog({});
    const retains = [
      'history',
      'history',
      'latest',
      'none',
      'history',
      'none',
      'latest',
      'history',
      'history',
    ] as const;
    for (const retain of retains) await log.append([record('a', { retain, body: bytes(retain) })]);
    const { records, trimmedThrough } = await log.read(queryAll(log, ['a']));
    expect(records.map(({ body }) => text(body))).toEqual(['latest', 'history', 'history']);
    expect(trimmedThrough).toBe(0);
    expect(await log.channels({ after: '', limit: 10 })).toMatchObject([{ count: 3, bytes: 20 }]);
  });
}
