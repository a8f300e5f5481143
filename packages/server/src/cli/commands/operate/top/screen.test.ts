import { stripVTControlCharacters, styleText } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { screenLines, type ScreenState } from './screen.ts';
import type { TopSample } from './sample.ts';

const NOTHING = { p50: null, p99: null };
const SAMPLE: TopSample = {
  time: '2026-11-21T12:00:00.000Z',
  intervalSeconds: 1,
  ready: true,
  why: null,
  problems: [],
  version: '1.0.0',
  uptimeSeconds: 90_000,
  sessions: { websocket: 10_000, sse: 2, 'long-poll': 0, 'short-poll': 0, ndjson: 0 },
  in: { eventsPerSecond: 1234, bytesPerSecond: 1_200_000, refusedPerSecond: 0.5, failedPerSecond: 0 },
  out: { eventsPerSecond: 123_456 },
  connectionsMax: 50_000,
  latencyMs: {
    publishToDurable: { p50: 0.42, p99: 2.1 },
    publishToWrite: { p50: 1, p99: 12 },
    webhook: { p50: 20, p99: 1500 },
    eventLoopDelay: NOTHING,
  },
  lag: { readerEventsMax: 12, subscriptionEventsMax: 3, subscriptionSecondsMax: 61, queueBytes: 0 },
  webhooks: { deliveredPerSecond: 12, failedPerSecond: 1.5, retriesPerSecond: 1, inFlight: 4, waiting: 0 },
  subscriptions: { active: 3 },
  process: { residentBytes: 104_000_000, cpuShare: 0.12, openFiles: 10_080, openFilesMax: 65_536 },
  disk: { folder: '/var/lib/polycast', databaseBytes: 1.2e9, freeBytes: 35e9, sizeBytes: 40e9 },
  slowConsumers: [],
  failingEndpoints: [],
};
const SLOW: TopSample['slowConsumers'][number] = {
  session: 's',
  transport: 'sse',
  user: 'ann',
  address: '203.0.113.7',
  channels: ['orders.>', 'prices.*'],
  lagEvents: 12_345,
  since: '2026-11-21T11:00:00.000Z',
};
const FAILING: TopSample['failingEndpoints'][number] = {
  id: 'sub_9ymgrnc78sjksct6',
  state: 'active',
  url: 'https://shop.example/webhooks/polycast',
  since: '2026-11-21T11:00:00.000Z',
  lagEvents: 42,
};

function stateWith(slowCount: number, failingCount: number, parts: Partial<ScreenState> = {}): ScreenState {
  const sample: TopSample = {
    ...SAMPLE,
    slowConsumers: Array.from({ length: slowCount }, () => SLOW),
    failingEndpoints: Array.from({ length: failingCount }, () => FAILING),
  };
  return { url: 'http://127.0.0.1:7400', sample, history: [], problem: undefined, ...parts };
}

const plain = (_style: unknown, text: string): string => text;

test('a screen of 80 by 24 shows rates, connections, latency, lag, lists, memory and disk', () => {
  const history = Array.from({ length: 100 }, (_each, index) => ({ in: index, out: 100 - index }));
  const lines = screenLines(stateWith(1, 1, { history }), { columns: 80, rows: 24 }, plain);
  expect(lines).toMatchInlineSnapshot(`
    [
      " polycast top  http://127.0.0.1:7400         1.0.0  up 1 d 1 h  ready  12:00:00 ",
      "",
      "published    1,234 events/s  1.2 MB/s  0.5/s refused       ▇▇▇▇▇▇▇█████████████",
      "delivered    123,456 events/s                              ███▇▇▆▆▆▅▅▄▄▄▃▃▂▂▂▁▁",
      "connections  10,002 of 50,000: 10,000 websocket, 2 sse",
      "latency      publish to durable p50 420 µs   p99 2.1 ms",
      "             publish to write   p50 1.0 ms   p99 12 ms",
      "             event loop delay   p50 -        p99 -",
      "lag          slowest reader 12, slowest subscription 3 (1 min 1 s)",
      "webhooks     12/s delivered, 1.5/s failed, 4 in flight, p99 1.5 s",
      "process      104 MB memory, 12 % of a core, 10,080 of 65,536 files open",
      "disk         log 1.2 GB, 35 GB free (88 %)",
      "",
      "Slow consumers     TRANSPORT  ADDRESS      USER  CHANNELS         ",
      "    12,345 behind  sse        203.0.113.7  ann   orders.> prices.*",
      "",
      "Failing endpoints  STATE   FAILS SINCE  SUBSCRIPTION          ENDPOINT          ",
      "        42 behind  active  11-21 11:00  sub_9ymgrnc78sjksct6  shop.example/webho",
      "",
      "",
      "",
      "",
      "",
      "q quits",
    ]
  `);
});

test('lists share the rows that are left, and count what they hide', () => {
  const text = screenLines(stateWith(10, 10), { columns: 80, rows: 24 }, plain).join('\n');
  expect(text).toMatch(/and \d+ more\n\nFailing endpoints/);
  expect(text).toMatch(/ and \d+ more\n+q quits$/);
  const tall = screenLines(stateWith(10, 10), { columns: 140, rows: 50 }, plain).join('\n');
  expect(tall.match(/12,345 behind/g)).toHaveLength(10);
  expect(tall).not.toContain('more');
});

test('a hub that stops answering keeps its last numbers, with the reason', () => {
  const lines = screenLines(stateWith(0, 0, { problem: 'no hub answers' }), { columns: 80, rows: 24 }, plain);
  expect(lines[0]).toContain('no answer');
  expect(lines[1]).toContain('The hub does not answer: no hub answers');
});

test('on a terminal of any size, no line is wider and no screen is taller', () => {
  const coloured: Parameters<typeof screenLines>[2] = (style, text) =>
    styleText(style, text, { validateStream: false });
  fc.assert(
    fc.property(
      fc.integer({ min: 80, max: 250 }),
      fc.integer({ min: 24, max: 100 }),
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 10 }),
      fc.constantFrom(undefined, 'no hub answers'),
      (columns, rows, slowCount, failingCount, problem) => {
        const history = Array.from({ length: 300 }, () => ({ in: 1, out: 2 }));
        const lines = screenLines(
          stateWith(slowCount, failingCount, { history, problem }),
          { columns, rows },
          coloured,
        );
        expect(lines).toHaveLength(rows);
        for (const line of lines) expect(stripVTControlCharacters(line).length).toBeLessThanOrEqual(columns);
      },
    ),
  );
});

test("a user's name cannot control the terminal", () => {
  const state = stateWith(0, 0);
  const evil = { ...state.sample, slowConsumers: [{ ...SLOW, user: '\u001B[2Jann' }] };
  expect(screenLines({ ...state, sample: evil }, { columns: 140, rows: 24 }, plain).join('\n')).not.toContain('\u001B');
});
