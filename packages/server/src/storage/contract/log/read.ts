import { expect, test } from 'vitest';
import type { Log } from '../../../core/ports.ts';
import { record, queryAll, readPages, bytes, START_MS } from './log-fixtures.ts';
import type { OpenLog } from './log-fixtures.ts';

export function readTests(openLog: OpenLog): void {
  const CHANNELS = ['orders.1', 'orders.2.status', 'news', 'orders.1', 'orders.3', 'orders.2.status', 'news', 'orders'];
  const filled = async (): Promise<Log> => {
    const log = await openLog({});
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
    const forward = await log.read(queryAll(log, patterns));
    expect(forward.records.map(({ channel }) => channel)).toEqual(expected.map((index) => CHANNELS[index]));
    expect(forward.records.map(({ position }) => position)).toEqual(
      forward.records.map(({ position }) => position).toSorted((left, right) => left - right),
    );
    expect([forward.reached, forward.trimmedThrough]).toEqual([log.state.head, 0]);
    const backward = await log.read({ ...queryAll(log, patterns), direction: 'backward' });
    expect(backward.records).toEqual(forward.records.toReversed());
    expect(backward.reached).toBe(0);
  });

  test('after is exclusive, through is inclusive', async () => {
    const log = await filled();
    const positions = (await log.read(queryAll(log, ['>']))).records.map(({ position }) => position);
    for (const patterns of [['>'], ['news']]) {
      for (const direction of ['forward', 'backward'] as const) {
        const page = await log.read({
          ...queryAll(log, patterns),
          after: positions[2] as number,
          through: positions[6] as number,
          direction,
        });
        const expected = patterns[0] === '>' ? positions.slice(3, 7) : [positions[6]];
        expect(page.records.map(({ position }) => position).toSorted((left, right) => left - right)).toEqual(expected);
        expect(page.reached).toBe(direction === 'forward' ? positions[6] : positions[2]);
      }
    }
  });

  test('types filter, and a page without a match states the position that it reached', async () => {
    const log = await filled();
    expect((await log.read({ ...queryAll(log, ['>']), types: ['even'] })).records).toHaveLength(4);
    expect((await log.read({ ...queryAll(log, ['news']), types: ['odd', 'even'] })).records).toHaveLength(2);
    expect(await log.read({ ...queryAll(log, ['orders.1']), types: ['odd'] })).toEqual({
      records: [],
      reached: log.state.head,
      trimmedThrough: 0,
      erasedThrough: 0,
      corruptThrough: 0,
    });
  });

  test('a range behind the head, and an empty range, yield an empty page', async () => {
    const log = await filled();
    const { head } = log.state;
    expect(await log.read({ ...queryAll(log, ['>']), after: head })).toEqual({
      records: [],
      reached: head,
      trimmedThrough: head,
      erasedThrough: head,
      corruptThrough: head,
    });
    expect(await log.read({ ...queryAll(log, ['>']), after: head, through: head + 1000 })).toEqual({
      records: [],
      reached: head,
      trimmedThrough: head,
      erasedThrough: head,
      corruptThrough: head,
    });
    const ahead = { ...queryAll(log, ['>']), after: head + 5, through: head + 9 };
    expect(await log.read(ahead)).toEqual({
      records: [],
      reached: head + 5,
      trimmedThrough: head + 5,
      erasedThrough: head + 5,
      corruptThrough: head + 5,
    });
  });
}

export function pageTests(openLog: OpenLog): void {
  const filled = async (channels: number): Promise<Log> => {
    const log = await openLog({});
    for (let turn = 0; turn < 10; turn++) {
      await log.append(
        Array.from({ length: channels }, (_, index) =>
          record(`c.${(index * 7 + turn) % channels}`, {
            type: index % 3 === 0 ? 'third' : undefined,
            body: bytes(`${turn}.${index}`),
          }),
        ),
      );
    }
    return log;
  };

  const SELECTIONS = [
    { channels: 3, patterns: ['c.1'], types: undefined, expected: 10 },
    { channels: 3, patterns: ['c.1', 'c.2'], types: undefined, expected: 20 },
    { channels: 3, patterns: ['>'], types: ['third'], expected: 10 },
    { channels: 150, patterns: ['c.>'], types: undefined, expected: 1500 },
    { channels: 150, patterns: ['c.>'], types: ['third'], expected: 500 },
    { channels: 500, patterns: ['c.>'], types: undefined, expected: 5000 },
  ];

  test.each(SELECTIONS)(
    'count, page by page: $patterns of $channels channels, types $types: each event once',
    async ({ channels, patterns, types, expected }) => {
      const log = await filled(channels);
      const { head } = log.state;
      for (const [after, through] of [
        [0, head],
        [7, head - 7],
      ] as const) {
        const range = { patterns, types, after, through };
        const pages = await readPages(log, { ...queryAll(log, patterns), ...range });
        const found = pages.reduce((sum, { records }) => sum + records.length, 0);
        if (after === 0) expect(found).toBe(expected);
        let count = 0;
        for (let reached: number = after; reached < through;) {
          const page = await log.count({ ...range, after: reached });
          expect(page.reached).toBeGreaterThan(reached);
          count += page.count;
          reached = page.reached;
        }
        expect(count).toBe(found);
      }
    },
  );

  test('a count reports that retention removed events, and does not count them', async () => {
    const log = await filled(3);
    await log.trim([{ channel: 'c.1', countMax: 4 }], START_MS);
    const { head } = log.state;
    const page = await log.read(queryAll(log, ['c.1']));
    expect(page.trimmedThrough).toBeGreaterThan(0);
    const { reached, trimmedThrough, erasedThrough, corruptThrough } = page;
    expect(await log.count({ patterns: ['c.1'], types: undefined, after: 0, through: head + 5 })).toEqual({
      count: 4,
      reached,
      trimmedThrough,
      erasedThrough,
      corruptThrough,
    });
  });

  for (const direction of ['forward', 'backward'] as const) {
    test.each(SELECTIONS)(
      `${direction}: $patterns of $channels channels, types $types: each event once, in order`,
      async ({ channels, patterns, types, expected }) => {
        const log = await filled(channels);
        const query = { ...queryAll(log, patterns), types, direction, limit: 7 };
        const pages = await readPages(log, query);
        const records = pages.flatMap(({ records }) => records);
        expect(records).toHaveLength(expected);
        const whole = (await readPages(log, { ...query, limit: 10_000 })).flatMap(({ records }) => records);
        expect(records).toEqual(whole);
        expect(pages.every(({ records }) => records.length <= 7)).toBe(true);
      },
    );
  }

  test('bytesMax bounds a page, which has at least one event', async () => {
    const log = await openLog({});
    await log.append([10, 10, 50, 10].map((size) => record('a', { body: new Uint8Array(size) })));
    for (const patterns of [['a'], ['>'], ['a', 'b']]) {
      const sizes = (await readPages(log, { ...queryAll(log, patterns), bytesMax: 20 })).map(({ records }) =>
        records.map(({ body }) => body.byteLength),
      );
      expect(sizes).toEqual([[10, 10], [50], [10]]);
    }
  });
}
