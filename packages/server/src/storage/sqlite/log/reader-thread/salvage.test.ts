import { mkdtemp, open as openFile, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log, ReadPage, StoredRecord } from '../../../../core/ports.ts';
import { queryAll, record, trimAll } from '../../../contract/log/log-fixtures.ts';
import { openSqliteLog } from '../open-sqlite-log.ts';

const EVENTS = 400;
const PAGE_BYTES = 4096;

interface Said {
  readonly fields: object;
  readonly message: string;
}

interface Kept {
  readonly log: Log;
  readonly file: string;
  readonly said: Said[];
}

/** A log with events in its database, all indexed. The write-ahead log has none of them. */
async function filled(): Promise<Kept> {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-damage-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const first = await openSqliteLog({ folder });
  const records = Array.from({ length: EVENTS }, (_, index) =>
    record(`c.${index % 4}`, { body: Buffer.from(textOf(index + 1)) }),
  );
  await first.append(records);
  await first.close();
  return opened(folder);
}

async function opened(folder: string): Promise<Kept> {
  const said: Said[] = [];
  const say = (fields: object, message: string): void => void said.push({ fields, message });
  const log = await openSqliteLog({ folder, logger: { warn: say, error: say } });
  onTestFinished(() => log.close());
  return { log, file: join(folder, 'log.db'), said };
}

function textOf(position: number): string {
  return `"data":"event ${String(position).padStart(4, '0')} ${'x'.repeat(200)}"}`;
}

/** Changes bytes on the disk while the log is open. */
async function damage(file: string, position: number, bytes: (at: number) => readonly [number, Buffer]): Promise<void> {
  const found = (await readFile(file)).indexOf(textOf(position).slice(0, 20));
  expect(found).toBeGreaterThan(0);
  const [offset, content] = bytes(found);
  const handle = await openFile(file, 'r+');
  await handle.write(content, 0, content.length, offset);
  await handle.close();
}

const flip = (at: number): readonly [number, Buffer] => [at + 9, Buffer.from('E')];
const garble = (at: number): readonly [number, Buffer] => [
  Math.floor(at / PAGE_BYTES) * PAGE_BYTES,
  Buffer.alloc(PAGE_BYTES, 0xa5),
];

interface Read {
  readonly records: readonly StoredRecord[];
  readonly gaps: readonly (readonly [after: number, through: number])[];
}

/** Reads all pages, as a consumer does. */
async function readAll(log: Log, patterns: readonly string[]): Promise<Read> {
  const records: StoredRecord[] = [];
  const gaps: [number, number][] = [];
  for (let after = 0; after < log.state.head;) {
    const page: ReadPage = await log.read({ ...queryAll(log, patterns), after, limit: 37 });
    if (page.corruptThrough > after) gaps.push([after, page.corruptThrough]);
    records.push(...page.records);
    expect(page.reached).toBeGreaterThan(after);
    after = page.reached;
  }
  return { records, gaps };
}

function expectTrue({ records }: Read): void {
  for (const { position, body } of records) expect(Buffer.from(body).toString()).toBe(textOf(position));
}

describe.each([['>'], ['c.1']])('%s', (pattern) => {
  test('an event with a flipped bit is one hole, and all others are delivered', async () => {
    const { log, file, said } = await filled();
    await damage(file, 182, flip);
    const read = await readAll(log, [pattern]);
    expect(read.gaps).toEqual([[181, 182]]);
    expectTrue(read);
    const matchingCount = pattern === '>' ? EVENTS : EVENTS / 4;
    expect(read.records).toHaveLength(matchingCount - 1);
    await readAll(log, [pattern]);
    expect(log.stats()['damagedRanges']).toBe(1);
    expect(said).toMatchObject([{ fields: { through: 182 }, message: expect.stringContaining('damaged') }]);
    expect(log.state.unavailable).toBeUndefined();
  });

  test('a damaged page is one hole, and the events behind it are delivered', async () => {
    const { log, file } = await filled();
    await damage(file, 182, garble);
    const read = await readAll(log, [pattern]);
    expectTrue(read);
    expect(read.gaps).toHaveLength(1);
    const [after, through] = read.gaps[0] as readonly [number, number];
    expect(after).toBeLessThan(182);
    expect(through).toBeGreaterThanOrEqual(182);
    const lost = through - after;
    expect(lost).toBeLessThan(25);
    expect(read.records.filter(({ position }) => position > after && position <= through)).toEqual([]);
    expect(read.records.at(0)?.position).toBeLessThan(5);
    expect(read.records.at(-1)?.position).toBeGreaterThan(EVENTS - 4);
    expect((await log.append([record('c.1')]))[0]?.kind).toBe('appended');
  });

  test('a count passes a damaged page, and counts every readable event', async () => {
    const { log, file } = await filled();
    await damage(file, 182, garble);
    const read = await readAll(log, [pattern]);
    let counted = 0;
    for (let after = 0; after < log.state.head;) {
      const page = await log.count({ patterns: [pattern], types: undefined, after, through: log.state.head });
      expect(page.reached).toBeGreaterThan(after);
      after = page.reached;
      counted += page.count;
    }
    expect(counted).toBeGreaterThanOrEqual(read.records.length);
    expect(counted).toBeLessThanOrEqual(pattern === '>' ? EVENTS : EVENTS / 4);
  });

  test('backwards, a hole is skipped and reported', async () => {
    const { log, file } = await filled();
    await damage(file, 182, garble);
    const page = await log.read({ ...queryAll(log, [pattern]), direction: 'backward' });
    expect(page.reached).toBe(0);
    expect(page.corruptThrough).toBeGreaterThanOrEqual(182);
    expectTrue(page as unknown as Read);
    expect(page.records.at(-1)?.position).toBeLessThan(5);
  });
});

test('retention removes damaged events', async () => {
  const { log, file } = await filled();
  await damage(file, 182, garble);
  await damage(file, 202, flip);
  const channels = [0, 1, 2, 3].map((index) => `c.${index}`);
  await trimAll(
    log,
    channels.map((channel) => ({ channel, countMax: 10 })),
    Date.now(),
  );
  expect((await log.channels({ after: '', limit: 9 })).map(({ count }) => count)).toEqual([10, 10, 10, 10]);
  const read = await readAll(log, ['c.1']);
  expect(read.gaps).toEqual([]);
  expect(read.records).toHaveLength(10);
});

test('events from before checksums are read unchanged', async () => {
  const { log, file } = await filled();
  await log.close();
  const { DatabaseSync } = await import('node:sqlite');
  const old = new DatabaseSync(file);
  old.exec(
    `ALTER TABLE event DROP COLUMN trace; ALTER TABLE event DROP COLUMN checksum; ALTER TABLE channel DROP COLUMN checksum;
     ALTER TABLE channel DROP COLUMN erased_through; ALTER TABLE family DROP COLUMN erased_through; DROP TABLE free_page;
     ALTER TABLE state DROP COLUMN unchecked_through; PRAGMA user_version = 1`,
  );
  old.close();
  const { log: again } = await opened(join(file, '..'));
  await again.append([record('c.1', { body: Buffer.from(textOf(EVENTS + 1)) })]);
  const read = await readAll(again, ['>']);
  expect([read.records.length, read.gaps]).toEqual([EVENTS + 1, []]);
});
