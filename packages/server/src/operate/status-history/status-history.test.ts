import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import type { HubStatus } from '../hub-status.ts';
import { StatusHistory } from './status-history.ts';
import { StatusHistoryFile } from './status-history-file.ts';
import { percentileOf } from './status-series.ts';
import { StatusRing } from './status-ring.ts';

const START_MS = Date.parse('2026-11-21T12:00:00Z');

describe('a ring', () => {
  test('joins the values of a step by their kind', () => {
    const ring = new StatusRing({ stepMs: 5000, rows: 4 }, ['count', 'gauge', 'latest']);
    ring.add(START_MS, [1, 7, 7]);
    ring.add(START_MS + 4999, [2, 5, 5]);
    expect([...(ring.row(START_MS) ?? [])]).toEqual([3, 7, 5]);
    ring.add(START_MS + 5000, [4, 1, 1]);
    expect([...(ring.row(START_MS + 5000) ?? [])]).toEqual([4, 1, 1]);
  });

  test('an unknown value leaves the known one', () => {
    const ring = new StatusRing({ stepMs: 5000, rows: 4 }, ['count', 'latest']);
    ring.add(START_MS, [Number.NaN, 3]);
    ring.add(START_MS, [2, Number.NaN]);
    expect([...(ring.row(START_MS) ?? [])]).toEqual([2, 3]);
  });

  test('forgets the oldest step, and knows no step without a value', () => {
    const ring = new StatusRing({ stepMs: 1000, rows: 3 }, ['count']);
    for (const second of [0, 1, 3]) ring.add(START_MS + second * 1000, [second]);
    expect(ring.starts(0, START_MS + 3000)).toEqual([START_MS + 1000, START_MS + 3000]);
    expect(ring.row(START_MS)).toBeUndefined();
  });
});

test.each([
  [[0, 0, 0], null],
  [[1, 1, 1], 0.01],
  [[0, 99, 100], 0.1],
  [[0, 0, 5], 0.1],
])('the percentile of the counts %j is %j', (counts, seconds) => {
  expect(percentileOf([0.01, 0.1], counts, 0.99)).toBe(seconds);
});

describe('a file', () => {
  const form = { names: ['one', 'two'], rings: [{ stepMs: 1000, rows: 4 }] };

  test('gives back the rows of the ring', async () => {
    const path = join(temporaryFolder(), 'history');
    const { file } = await StatusHistoryFile.open(path, form);
    for (const second of [0, 1, 4])
      await file.write([{ ring: 0, startMs: START_MS + second * 1000, values: [second, 2] }]);
    await file.close();
    const again = await StatusHistoryFile.open(path, form);
    onTestFinished(() => again.file.close());
    expect(again.rows).toEqual([
      { ring: 0, startMs: START_MS + 4000, values: [4, 2] },
      { ring: 0, startMs: START_MS + 1000, values: [1, 2] },
    ]);
  });

  test('of another version is read by the names of its series', async () => {
    const path = join(temporaryFolder(), 'history');
    const { file } = await StatusHistoryFile.open(path, form);
    await file.write([{ ring: 0, startMs: START_MS, values: [1, 2] }]);
    await file.close();
    const later = { names: ['two', 'three'], rings: [...form.rings, { stepMs: 5000, rows: 2 }] };
    for (const _time of ['converted', 'stored']) {
      const opened = await StatusHistoryFile.open(path, later);
      await opened.file.close();
      expect(opened.rows).toEqual([{ ring: 0, startMs: START_MS, values: [2, Number.NaN] }]);
    }
  });

  test.each(['', 'not a history', '{"names":1}'])('that is damaged is begun anew: %j', async (content) => {
    const path = join(temporaryFolder(), 'history');
    writeFileSync(path, content);
    const { file, rows } = await StatusHistoryFile.open(path, form);
    onTestFinished(() => file.close());
    expect(rows).toEqual([]);
  });
});

describe('a history', () => {
  test('has the increase of totals in each step, and survives a restart', async () => {
    const path = join(temporaryFolder(), 'history');
    const world = new World(path);
    const first = await world.open();
    world.published = 10;
    world.durable = [8, 10];
    await world.sample(first, 5000);
    world.published = 25;
    world.durable = [8, 25];
    await world.sample(first, 5000);
    expect(first.page(3600, 0)).toMatchObject({
      stepSeconds: 5,
      times: [START_MS + 5000, START_MS + 10_000],
      values: { published: [10, 15], 'publishToDurable.p50Seconds': [0.001, 0.001] },
    });
    await first.close();

    world.published = 0;
    world.durable = [0, 0];
    const second = await world.open();
    onTestFinished(() => second.close());
    world.published = 3;
    await world.sample(second, 60_000);
    expect(second.page(3600, 0).values['published']).toEqual([10, 15, 3]);
    expect(second.page(7200, 0)).toMatchObject({ stepSeconds: 60, values: { published: [25, 3] } });
    expect(second.page(600_000, 0)).toMatchObject({ stepSeconds: 600, values: { published: [28] } });
    expect(second.page(3600, START_MS + 10_000).times).toEqual([START_MS + 70_000]);
  });
});

/** A hub whose numbers the test sets. */
class World {
  published = 0;
  durable: number[] = [0, 0];
  #nowMs = START_MS;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<StatusHistory> {
    const history = new StatusHistory({
      clock: { nowMs: () => this.#nowMs },
      read: () => Promise.resolve(this.#status()),
      path: this.#path,
      onError: (error) => {
        throw error;
      },
    });
    history.start();
    await history.opened;
    return history;
  }

  async sample(history: StatusHistory, afterMs: number): Promise<void> {
    this.#nowMs += afterMs;
    await history.sample();
  }

  #status(): HubStatus {
    const none = { bucketsSeconds: [0.001], counts: [0, 0] };
    return {
      published: { events: this.published, bytes: 0, refused: 0, failed: 0 },
      delivered: {},
      sessions: {},
      readers: { count: 0, lagEventsMax: 0, slowest: [] },
      log: { queueBytes: 0, events: 0 },
      storage: { databaseBytes: 0, freeBytes: null, sizeBytes: null },
      process: { residentBytes: 1, openFiles: null, cpuSeconds: 0 },
      subscriptions: { states: {}, failing: [], deadLetters: 0 },
      webhooks: { events: 0, retries: 0, inFlight: 0 },
      latency: {
        publishToDurable: { bucketsSeconds: [0.001], counts: [...this.durable] },
        publishToWrite: none,
        webhook: none,
        eventLoopDelay: none,
      },
    } as unknown as HubStatus;
  }
}
