import { describe, expect, onTestFinished, test } from 'vitest';
import type { AppendOutcome, Log, NewRecord, ReadPage, ReadQuery, StoredRecord } from '../core/ports.ts';

/** Opens an empty log of the home under test; the contract closes it. */
export type OpenLog = (options: { readonly channelsMax?: number }) => Promise<Log>;

const HOUR_MS = 3_600_000;
const START_MS = 1_800_000_000_000;

/** What core/ports.ts promises of every `Log`, in tests: run against each home. */
export function logContract(home: string, open: OpenLog): void {
  const opened = async (options: { readonly channelsMax?: number } = {}): Promise<Log> => {
    const log = await open(options);
    onTestFinished(() => log.close());
    return log;
  };
  describe(home, () => {
    describe('append', () => appending(opened));
    describe('idempotency keys and ifLatest', () => deciding(opened));
    describe('retain', () => retaining(opened));
    describe('read', () => reading(opened));
    describe('read in small pages', () => paging(opened));
    describe('trim', () => trimming(opened));
    describe('channels', () => listing(opened));
    describe('close', () => closing(opened));
  });
}

function appending(opened: OpenLog): void {
  test('a new log is empty and has an epoch', async () => {
    const log = await opened({});
    expect(log.state).toEqual({ epoch: expect.stringMatching(/^[0-9a-z]{10}$/), epochStart: 0, head: 0, unavailable: undefined });
  });

  test('positions rise in the order of the calls and of the records', async () => {
    const log = await opened({});
    const outcomes = (await Promise.all([log.append([record('a'), record('b')]), log.append([record('a')]), log.append([record('c')])])).flat();
    const positions = outcomes.map(positionOf);
    expect(positions).toHaveLength(4);
    expect(positions).toEqual(positions.toSorted((left, right) => left - right));
    expect(new Set(positions).size).toBe(4);
    expect(log.state.head).toBe(positions.at(-1));
  });

  test('the head does not move, and nothing is followed, before the call has returned', async () => {
    const log = await opened({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const pending = log.append([record('a')]);
    expect([log.state.head, followed.length]).toEqual([0, 0]);
    await pending;
    expect(followed).toHaveLength(1);
  });

  test('followers get what was appended, in order, as it was given, before the append resolves', async () => {
    const log = await opened({});
    const seen: string[] = [];
    log.follow((records) => {
      for (const { position, channel, type, timeMs, body } of records) seen.push([position <= log.state.head, channel, type, timeMs, text(body)].join(' '));
    });
    const first = log.append([record('a', { type: 'made' }), record('b', { retain: 'none' })]).then(() => seen.push('first resolved'));
    const second = log.append([record('c')]).then(() => seen.push('second resolved'));
    await Promise.all([first, second]);
    const [a, b, c] = [`true a made ${START_MS} ${bodyOf('a')}`, `true b  ${START_MS} ${bodyOf('b')}`, `true c  ${START_MS} ${bodyOf('c')}`];
    expect(seen.filter((line) => line.startsWith('true'))).toEqual([a, b, c]);
    expect(seen.indexOf(b)).toBeLessThan(seen.indexOf('first resolved'));
    expect(seen.indexOf(c)).toBeLessThan(seen.indexOf('second resolved'));
  });

  test('a follower may append', async () => {
    const log = await opened({});
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

  test('no record gives no outcome', async () => {
    const log = await opened({});
    expect(await log.append([])).toEqual([]);
    expect(log.state.head).toBe(0);
  });

  test('bodies come back byte for byte, empty and large ones included', async () => {
    const log = await opened({});
    const bodies = [new Uint8Array(), Uint8Array.of(0, 255, 10), new Uint8Array(300_000).fill(7)];
    const embedded = Buffer.concat([Buffer.from('before'), Buffer.from('inside'), Buffer.from('after')]).subarray(6, 12);
    await log.append([...bodies, embedded].map((body) => record('a', { body })));
    const { records } = await log.read(all(log, ['a']));
    expect(records.map(({ body }) => body.byteLength)).toEqual([0, 3, 300_000, 6]);
    for (const [index, body] of [...bodies, embedded].entries()) expect(Buffer.compare(body, (records[index] as StoredRecord).body)).toBe(0);
  });

  test('a new channel past the limit is refused, known ones and ephemeral ones are not', async () => {
    const log = await opened({ channelsMax: 2 });
    const outcomes = await log.append([record('a'), record('b'), record('c'), record('a'), record('c', { retain: 'none' })]);
    expect(kinds(outcomes)).toEqual(['appended', 'appended', 'channel_limit', 'appended', 'appended']);
    expect(await channelsRead(log, ['>'])).toEqual(['a', 'b', 'a']);
  });
}

function deciding(opened: OpenLog): void {
  const keyed = (key: string, fingerprint: string, over: Partial<NewRecord> = {}): NewRecord => record('a', { idempotencyKey: key, fingerprint, ...over });

  test('a key that was used gets the first answer again, in one batch, the same turn and later', async () => {
    const log = await opened({});
    const [[first, again], [third]] = (await Promise.all([
      log.append([keyed('k', 'f'), keyed('k', 'f', { timeMs: START_MS + 5 })]),
      log.append([keyed('k', 'f', { timeMs: START_MS + 6 })]),
    ])) as [[AppendOutcome, AppendOutcome], [AppendOutcome]];
    const duplicate = { kind: 'duplicate', position: positionOf(first), channel: 'a', timeMs: START_MS };
    expect([again, third]).toEqual([duplicate, duplicate]);
    expect(await log.append([keyed('k', 'f', { timeMs: START_MS + 7 })])).toEqual([duplicate]);
    expect(await channelsRead(log, ['a'])).toEqual(['a']);
  });

  test('a key that was used for something else is refused', async () => {
    const log = await opened({});
    expect(kinds(await log.append([keyed('k', 'f'), keyed('k', 'g'), keyed('l', 'g')]))).toEqual(['appended', 'key_reused', 'appended']);
  });

  test('a key is remembered for 24 hours, purged or not', async () => {
    const log = await opened({});
    await log.append([keyed('k', 'f'), keyed('l', 'f')]);
    expect(kinds(await log.append([keyed('k', 'g', { timeMs: START_MS + 24 * HOUR_MS })]))).toEqual(['appended']);
    await log.trim([], START_MS + 24 * HOUR_MS);
    expect(kinds(await log.append([keyed('l', 'g', { timeMs: START_MS + 23 * HOUR_MS })]))).toEqual(['appended']);
    expect(kinds(await log.append([keyed('k', 'g', { timeMs: START_MS + 47 * HOUR_MS })]))).toEqual(['duplicate']);
  });

  test('keys hold for ephemeral events, and are not used up by what was refused', async () => {
    const log = await opened({});
    expect(kinds(await log.append([keyed('k', 'f', { retain: 'none' }), keyed('k', 'f', { retain: 'none' })]))).toEqual(['appended', 'duplicate']);
    expect(kinds(await log.append([keyed('l', 'f', { ifLatest: 99 }), keyed('l', 'f')]))).toEqual(['conflict', 'appended']);
  });

  test('ifLatest is decided in the order of the appends', async () => {
    const log = await opened({});
    const [outcome] = await log.append([record('a', { ifLatest: 0 })]);
    const position = positionOf(outcome as AppendOutcome);
    const [[second], [third]] = (await Promise.all([log.append([record('a', { ifLatest: position })]), log.append([record('a', { ifLatest: position })])])) as [[AppendOutcome], [AppendOutcome]];
    expect(third).toEqual({ kind: 'conflict', latest: positionOf(second) });
    expect(await log.append([record('b', { ifLatest: position })])).toEqual([{ kind: 'conflict', latest: 0 }]);
    expect(await log.append([record('a', { ifLatest: 0 })])).toEqual([{ kind: 'conflict', latest: positionOf(second) }]);
    expect(kinds(await log.append([record('b', { ifLatest: 0 })]))).toEqual(['appended']);
  });

  test('a duplicate wins over ifLatest', async () => {
    const log = await opened({});
    const outcomes = await log.append([keyed('k', 'f', { ifLatest: 0 }), keyed('k', 'f', { ifLatest: 0 }), keyed('k', 'g', { ifLatest: 0 })]);
    expect(kinds(outcomes)).toEqual(['appended', 'duplicate', 'key_reused']);
  });
}

function retaining(opened: OpenLog): void {
  test('a latest channel keeps its newest event, and what it replaced is not lost', async () => {
    const log = await opened({});
    await log.append([record('a', { retain: 'latest', type: 'one' }), record('b'), record('a', { retain: 'latest', type: 'two' })]);
    await log.append([record('a', { retain: 'latest', type: 'three' })]);
    const page = await log.read(all(log, ['>']));
    expect(page.records.map(({ channel, type }) => [channel, type])).toEqual([['b', undefined], ['a', 'three']]);
    expect(page.trimmedThrough).toBe(0);
    expect(await log.channels({ after: '', limit: 1 })).toMatchObject([{ channel: 'a', count: 1, latestPosition: log.state.head }]);
  });

  test('an ephemeral event gets a position and goes to followers, and is not stored', async () => {
    const log = await opened({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const [, second, third] = await log.append([record('a'), record('a', { retain: 'none' }), record('a', { ifLatest: 0 })]);
    expect(second).toEqual({ kind: 'appended', position: log.state.head });
    expect(third).toMatchObject({ kind: 'conflict' });
    expect(followed).toHaveLength(2);
    const page = await log.read(all(log, ['a']));
    expect(page).toMatchObject({ records: [{ position: followed[0]?.position }], reached: log.state.head, trimmedThrough: 0 });
  });

  test('a channel may change between all three', async () => {
    const log = await opened({});
    const retains = ['history', 'history', 'latest', 'none', 'history', 'none', 'latest', 'history', 'history'] as const;
    for (const retain of retains) await log.append([record('a', { retain, body: bytes(retain) })]);
    const { records, trimmedThrough } = await log.read(all(log, ['a']));
    expect(records.map(({ body }) => text(body))).toEqual(['latest', 'history', 'history']);
    expect(trimmedThrough).toBe(0);
    expect(await log.channels({ after: '', limit: 10 })).toMatchObject([{ count: 3, bytes: 20 }]);
  });
}

function reading(opened: OpenLog): void {
  const CHANNELS = ['orders.1', 'orders.2.status', 'news', 'orders.1', 'orders.3', 'orders.2.status', 'news', 'orders'];
  const filled = async (): Promise<Log> => {
    const log = await opened({});
    await log.append(CHANNELS.map((channel, index) => record(channel, { type: index % 2 === 0 ? 'even' : undefined })));
    return log;
  };

  test.each([
    { patterns: ['news'], expected: [2, 6] },
    { patterns: ['orders.*'], expected: [0, 3, 4] },
    { patterns: ['orders.>'], expected: [0, 1, 3, 4, 5] },
    { patterns: ['>'], expected: [0, 1, 2, 3, 4, 5, 6, 7] },
    { patterns: ['*'], expected: [2, 6, 7] },
    { patterns: ['orders.1', 'news'], expected: [0, 2, 3, 6] },
    { patterns: ['orders.1', 'orders.*', 'orders.1'], expected: [0, 3, 4] },
    { patterns: ['none', 'none.>'], expected: [] },
  ])('$patterns, forward and backward', async ({ patterns, expected }) => {
    const log = await filled();
    const forward = await log.read(all(log, patterns));
    expect(forward.records.map(({ channel }) => channel)).toEqual(expected.map((index) => CHANNELS[index]));
    expect(forward.records.map(({ position }) => position)).toEqual(forward.records.map(({ position }) => position).toSorted((left, right) => left - right));
    expect([forward.reached, forward.trimmedThrough]).toEqual([log.state.head, 0]);
    const backward = await log.read({ ...all(log, patterns), direction: 'backward' });
    expect(backward.records).toEqual(forward.records.toReversed());
    expect(backward.reached).toBe(0);
  });

  test('after is not included, through is', async () => {
    const log = await filled();
    const positions = (await log.read(all(log, ['>']))).records.map(({ position }) => position);
    for (const patterns of [['>'], ['news']]) {
      for (const direction of ['forward', 'backward'] as const) {
        const page = await log.read({ ...all(log, patterns), after: positions[2] as number, through: positions[6] as number, direction });
        const expected = patterns[0] === '>' ? positions.slice(3, 7) : [positions[6]];
        expect(page.records.map(({ position }) => position).toSorted((left, right) => left - right)).toEqual(expected);
        expect(page.reached).toBe(direction === 'forward' ? positions[6] : positions[2]);
      }
    }
  });

  test('types filter, and a page without a match says how far it looked', async () => {
    const log = await filled();
    expect((await log.read({ ...all(log, ['>']), types: ['even'] })).records).toHaveLength(4);
    expect((await log.read({ ...all(log, ['news']), types: ['odd', 'even'] })).records).toHaveLength(2);
    expect(await log.read({ ...all(log, ['orders.1']), types: ['odd'] })).toEqual({ records: [], reached: log.state.head, trimmedThrough: 0 });
  });

  test('nothing after the head, and an empty range, is an empty page', async () => {
    const log = await filled();
    const { head } = log.state;
    expect(await log.read({ ...all(log, ['>']), after: head })).toEqual({ records: [], reached: head, trimmedThrough: head });
    expect(await log.read({ ...all(log, ['>']), after: head, through: head + 1000 })).toEqual({ records: [], reached: head, trimmedThrough: head });
  });
}

function paging(opened: OpenLog): void {
  const filled = async (channels: number): Promise<Log> => {
    const log = await opened({});
    for (let turn = 0; turn < 10; turn++) {
      await log.append(Array.from({ length: channels }, (_, index) => record(`c.${(index * 7 + turn) % channels}`, { type: index % 3 === 0 ? 'third' : undefined, body: bytes(`${turn}.${index}`) })));
    }
    return log;
  };

  for (const direction of ['forward', 'backward'] as const) {
    test.each([
      { channels: 3, patterns: ['c.1'], types: undefined, expected: 10 },
      { channels: 3, patterns: ['c.1', 'c.2'], types: undefined, expected: 20 },
      { channels: 3, patterns: ['>'], types: ['third'], expected: 10 },
      { channels: 150, patterns: ['c.>'], types: undefined, expected: 1500 },
      { channels: 150, patterns: ['c.>'], types: ['third'], expected: 500 },
    ])(`${direction}: $patterns of $channels channels, types $types: each event once, in order`, async ({ channels, patterns, types, expected }) => {
      const log = await filled(channels);
      const query = { ...all(log, patterns), types, direction, limit: 7 };
      const pages = await readPages(log, query);
      const records = pages.flatMap(({ records }) => records);
      expect(records).toHaveLength(expected);
      const whole = (await readPages(log, { ...query, limit: 10_000 })).flatMap(({ records }) => records);
      expect(records).toEqual(whole);
      expect(pages.every(({ records }) => records.length <= 7)).toBe(true);
    });
  }

  test('bytesMax bounds a page, which yet has always one event', async () => {
    const log = await opened({});
    await log.append([10, 10, 50, 10].map((size) => record('a', { body: new Uint8Array(size) })));
    for (const patterns of [['a'], ['>'], ['a', 'b']]) {
      const sizes = (await readPages(log, { ...all(log, patterns), bytesMax: 20 })).map(({ records }) => records.map(({ body }) => body.byteLength));
      expect(sizes).toEqual([[10, 10], [50], [10]]);
    }
  });
}

function trimming(opened: OpenLog): void {
  const NOW_MS = START_MS + HOUR_MS;
  const filled = async (): Promise<{ log: Log; positions: number[] }> => {
    const log = await opened({});
    const outcomes = await log.append([0, 1, 2, 3, 4, 5].map((index) => record(index % 2 === 0 ? 'a' : 'b', { timeMs: START_MS + index, body: new Uint8Array(10 + index) })));
    return { log, positions: outcomes.map(positionOf) };
  };

  test.each([
    { order: { countMax: 1 }, kept: [4] },
    { order: { bytesMax: 26 }, kept: [2, 4] },
    { order: { bytesMax: 25 }, kept: [4] },
    { order: { olderThanMs: START_MS + 2 }, kept: [2, 4] },
    { order: { olderThanMs: START_MS + 2, countMax: 1 }, kept: [4] },
    { order: { countMax: 3, bytesMax: 1000, olderThanMs: START_MS }, kept: [0, 2, 4] },
    { order: { countMax: 0 }, kept: [] },
  ])('$order keeps $kept of the channel, and all of the others', async ({ order, kept }) => {
    const { log, positions } = await filled();
    expect(await trimAll(log, [{ channel: 'a', ...order }], NOW_MS)).toBe(3 - kept.length);
    expect((await log.read(all(log, ['a']))).records.map(({ position }) => positions.indexOf(position))).toEqual(kept);
    expect((await log.read(all(log, ['b']))).records).toHaveLength(3);
    expect((await log.channels({ after: '', limit: 1 }))[0]).toEqual({
      channel: 'a',
      count: kept.length,
      bytes: kept.reduce((sum, index) => sum + 10 + index, 0),
      oldestTimeMs: kept.length === 0 ? 0 : START_MS + (kept[0] as number),
      latestPosition: kept.length === 0 ? 0 : positions[4],
    });
  });

  test('trimmedThrough is exact for each channel, and for each set of channels', async () => {
    const { log, positions } = await filled();
    await trimAll(log, [{ channel: 'a', countMax: 1 }], NOW_MS);
    const lost = positions[2] as number;
    const after = (position: number, patterns: string[]): Promise<number> => log.read({ ...all(log, patterns), after: position }).then(({ trimmedThrough }) => trimmedThrough);
    expect(await after(0, ['a'])).toBe(lost);
    expect(await after(0, ['b'])).toBe(0);
    expect(await after(0, ['c'])).toBe(0);
    expect(await after(0, ['a', 'b'])).toBe(lost);
    expect(await after(0, ['*'])).toBe(lost);
    expect(await after(positions[1] as number, ['a'])).toBe(lost);
    expect(await after(lost, ['a'])).toBe(lost);
    expect(await after(lost + 1, ['>'])).toBe(lost + 1);
    expect((await log.read({ ...all(log, ['a']), direction: 'backward' })).trimmedThrough).toBe(lost);
  });

  test('many events go in bounded steps', async () => {
    const log = await opened({});
    await log.append(Array.from({ length: 3_000 }, (_, index) => record(`c.${index % 3}`)));
    const orders = [0, 1, 2].map((index) => ({ channel: `c.${index}`, countMax: 10 }));
    const first = await log.trim(orders, NOW_MS);
    expect(first.removed).toBeLessThan(2_970);
    expect(first.more).toBe(true);
    expect(first.removed + (await trimAll(log, orders, NOW_MS))).toBe(2_970);
    expect(await log.channels({ after: '', limit: 10 })).toMatchObject([{ count: 10 }, { count: 10 }, { count: 10 }]);
    expect(await log.trim(orders, NOW_MS)).toEqual({ removed: 0, more: false });
    expect((await log.read(all(log, ['>']))).records).toHaveLength(30);
  });

  test('an unknown channel and an empty one are no matter', async () => {
    const { log } = await filled();
    await trimAll(log, [{ channel: 'a', countMax: 0 }], NOW_MS);
    expect(await log.trim([{ channel: 'a', countMax: 0, olderThanMs: NOW_MS }, { channel: 'z', countMax: 0 }], NOW_MS)).toEqual({ removed: 0, more: false });
    expect(await log.append([record('a', { ifLatest: 0 })])).toMatchObject([{ kind: 'appended' }]);
  });

  test('an event that age took from a latest channel is lost', async () => {
    const log = await opened({});
    await log.append([record('a', { retain: 'latest' })]);
    await trimAll(log, [{ channel: 'a', olderThanMs: NOW_MS }], NOW_MS);
    expect((await log.read(all(log, ['a']))).trimmedThrough).toBe(log.state.head);
  });

  test('a channel long empty is forgotten and makes room, and what it lost is not', async () => {
    const log = await opened({ channelsMax: 1 });
    await log.append([record('a')]);
    const lost = log.state.head;
    await trimAll(log, [{ channel: 'a', countMax: 0 }], START_MS + 8 * 24 * HOUR_MS);
    expect(await log.channels({ after: '', limit: 10 })).toEqual([]);
    for (const patterns of [['a'], ['>']]) expect((await log.read(all(log, patterns))).trimmedThrough).toBe(lost);
    expect(kinds(await log.append([record('b')]))).toEqual(['appended']);
    expect((await log.read({ ...all(log, ['b']), after: lost })).trimmedThrough).toBe(lost);
  });
}

function listing(opened: OpenLog): void {
  test('names in order, after a name, at most so many, only those appended to since', async () => {
    const log = await opened({});
    const names = async (query: { after?: string; limit?: number; changedSince?: number }): Promise<string[]> =>
      (await log.channels({ after: '', limit: 100, ...query })).map(({ channel }) => channel);
    await log.append(['m', 'b', 'x.y', 'B'].map((channel) => record(channel)));
    const { head } = log.state;
    expect(await names({})).toEqual(['B', 'b', 'm', 'x.y']);
    await log.append([record('c'), record('b'), record('gone', { retain: 'none' })]);
    expect(await names({})).toEqual(['B', 'b', 'c', 'm', 'x.y']);
    expect(await names({ after: 'b' })).toEqual(['c', 'm', 'x.y']);
    expect(await names({ after: 'bb', limit: 1 })).toEqual(['c']);
    expect(await names({ changedSince: head })).toEqual(['b', 'c']);
    expect(await names({ changedSince: log.state.head })).toEqual([]);
  });

  test('counts, bytes and times', async () => {
    const log = await opened({});
    const outcomes = await log.append([record('a', { timeMs: START_MS + 3, body: new Uint8Array(5) }), record('a', { timeMs: START_MS + 9, body: new Uint8Array(7) })]);
    expect(await log.channels({ after: '', limit: 10 })).toEqual([{ channel: 'a', count: 2, bytes: 12, oldestTimeMs: START_MS + 3, latestPosition: positionOf(outcomes[1] as AppendOutcome) }]);
  });
}

function closing(opened: OpenLog): void {
  test('what was accepted is finished, what comes later is refused', async () => {
    const log = await opened({});
    const followed: StoredRecord[] = [];
    log.follow((records) => followed.push(...records));
    const pending = log.append([record('a')]);
    await log.close();
    expect(kinds(await pending)).toEqual(['appended']);
    expect(followed).toHaveLength(1);
    const refused = { code: 'log_unavailable' };
    await expect(log.append([record('a')])).rejects.toMatchObject(refused);
    await expect(log.read(all(log, ['a']))).rejects.toMatchObject(refused);
    await expect(log.channels({ after: '', limit: 1 })).rejects.toMatchObject(refused);
    await expect(log.trim([], 0)).rejects.toMatchObject(refused);
    expect(log.state.unavailable).toBe('log_unavailable');
    await log.close();
  });

  test('figures are numbers under stable names', async () => {
    const log = await opened({});
    await log.append([record('a'), record('b')]);
    await log.read(all(log, ['a']));
    expect(log.figures()).toMatchObject({ commits: 1, records: 2, reads: 1 });
    expect(Object.values(log.figures()).every((value) => Number.isFinite(value))).toBe(true);
  });
}

/** An event for a channel, of an unremarkable kind but for what is given. */
export function record(channel: string, over: Partial<NewRecord> = {}): NewRecord {
  return { channel, type: undefined, timeMs: START_MS, body: bytes(bodyOf(channel)), retain: 'history', idempotencyKey: undefined, fingerprint: undefined, ifLatest: undefined, ...over };
}

/** A query for all that the log has of these patterns. */
export function all(log: Log, patterns: readonly string[]): ReadQuery {
  return { patterns, types: undefined, after: 0, through: log.state.head, direction: 'forward', limit: 100_000, bytesMax: 1e9 };
}

/** Reads on, page by page, until the whole of the range has been spoken for. */
export async function readPages(log: Log, query: ReadQuery): Promise<ReadPage[]> {
  const pages: ReadPage[] = [];
  let { after, through } = query;
  while (after < through) {
    const page = await log.read({ ...query, after, through });
    pages.push(page);
    if (query.direction === 'forward') {
      expect(page.reached).toBeGreaterThan(after);
      after = page.reached;
    } else {
      expect(page.reached).toBeLessThan(through);
      through = page.reached;
    }
  }
  return pages;
}

export function positionOf(outcome: AppendOutcome): number {
  if (outcome.kind !== 'appended' && outcome.kind !== 'duplicate') throw new Error(`Not appended: ${outcome.kind}`);
  return outcome.position;
}

async function trimAll(log: Log, orders: Parameters<Log['trim']>[0], nowMs: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const step = await log.trim(orders, nowMs);
    removed += step.removed;
    if (!step.more) return removed;
  }
}

async function channelsRead(log: Log, patterns: string[]): Promise<string[]> {
  return (await log.read(all(log, patterns))).records.map(({ channel }) => channel);
}

function kinds(outcomes: readonly AppendOutcome[]): string[] {
  return outcomes.map(({ kind }) => kind);
}

function bodyOf(channel: string): string {
  return `"channel":"${channel}","data":1}`;
}

function bytes(string: string): Uint8Array {
  return new TextEncoder().encode(string);
}

function text(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}
