import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import type { Log, StoredRecord } from '../../../core/ports.ts';
import { queryAll, readPages } from '../../contract/log/log-fixtures.ts';
import { openSqliteLog } from './open-sqlite-log.ts';

const KILLS = 6;

/** An answer that a publisher received before its process was killed. */
interface Acknowledged {
  readonly position: number;
  readonly key: string;
  readonly stored: boolean;
}

/**
 * Appends from eight publishers at once, with keys, to stored, latest and ephemeral channels.
 * Prints each answer. It runs until it is killed.
 */
const PUBLISHER = `
const { openSqliteLog } = await import(process.argv[1]);
const log = await openSqliteLog({ folder: process.argv[2] });
const body = (key) => new TextEncoder().encode(JSON.stringify(key) + ' '.repeat(200));
const publish = async (publisher) => {
  for (let turn = 0; ; turn++) {
    const records = Array.from({ length: 1 + (turn % 40) }, (_, index) => {
      const key = [process.argv[3], publisher, turn, index].join('.');
      const retain = index % 5 === 3 ? 'none' : 'history';
      return { channel: 'c.' + ((turn + index) % 50), type: undefined, timeMs: Date.now(), body: body(key), retain, idempotencyKey: key, fingerprint: 'f', ifLatest: undefined };
    });
    records.push({ ...records[0], channel: 'value', retain: 'latest', idempotencyKey: undefined });
    const outcomes = await log.append(records);
    const lines = records.slice(0, -1).map((record, index) => JSON.stringify({ position: outcomes[index].position, key: record.idempotencyKey, stored: record.retain !== 'none' }));
    if (!process.stdout.write(lines.join('\\n') + '\\n')) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
};
for (let publisher = 0; publisher < 8; publisher++) void publish(publisher);
`;

test('acknowledged events survive kill -9, once, and no position is used twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'polycast-kill-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const acknowledged: Acknowledged[] = [];
  const epochs = new Set<string>();
  for (let run = 0; run < KILLS; run++) {
    // Each kill is at another moment: during the opening, a commit, the first or a later
    // housekeeping.
    acknowledged.push(
      ...(await publishUntilKilled(folder, run, [1, 400, 3_000, 9_000, 15_000, 25_000][run] as number)),
    );
    const log = await openSqliteLog({ folder });
    epochs.add(log.state.epoch);
    expect(log.state.head).toBeGreaterThanOrEqual(Math.max(...acknowledged.map(({ position }) => position)));
    await verify(log, acknowledged);
    await log.close();
  }
  expect(acknowledged.length).toBeGreaterThan(20_000);
  expect(epochs.size).toBe(1);
});

async function publishUntilKilled(folder: string, run: number, answers: number): Promise<Acknowledged[]> {
  const module = new URL('open-sqlite-log.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PUBLISHER, module, folder, `run${run}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const acknowledged: Acknowledged[] = [];
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    // The last line may be cut short by the kill.
    if (line.endsWith('}')) acknowledged.push(JSON.parse(line) as Acknowledged);
    if (acknowledged.length === answers) child.kill('SIGKILL');
  });
  await Promise.all([once(lines, 'close'), once(child, 'exit')]);
  return acknowledged;
}

async function verify(log: Log, acknowledged: readonly Acknowledged[]): Promise<void> {
  const positions = acknowledged.map(({ position }) => position);
  expect(new Set(positions).size).toBe(positions.length);
  const records = (await readPages(log, { ...queryAll(log, ['>']), limit: 5_000 })).flatMap((page) => page.records);
  const byPosition = new Map(records.map((record) => [record.position, keyOf(record)]));
  expect(byPosition.size).toBe(records.length);
  expect(acknowledged.filter(({ stored, position, key }) => stored && byPosition.get(position) !== key)).toEqual([]);
  expect(acknowledged.filter(({ stored, position }) => !stored && byPosition.has(position))).toEqual([]);
  const keys = records.filter(({ channel }) => channel !== 'value').map(keyOf);
  expect(new Set(keys).size).toBe(keys.length);
  await verifyChannels(log, records);
}

/** The counts of each channel, and the events found by its index, agree with the whole log. */
async function verifyChannels(log: Log, records: readonly StoredRecord[]): Promise<void> {
  for (const { channel, count, bytes, latestPosition } of await log.channels({ after: '', limit: 1_000 })) {
    const own = records.filter((record) => record.channel === channel);
    expect({ channel, count, bytes, latestPosition }).toEqual({
      channel,
      count: own.length,
      bytes: own.reduce((sum, { body }) => sum + body.byteLength, 0),
      latestPosition: own.at(-1)?.position ?? 0,
    });
    const read = (await readPages(log, { ...queryAll(log, [channel]), limit: 5_000 })).flatMap((page) => page.records);
    expect(read.map(({ position }) => position)).toEqual(own.map(({ position }) => position));
  }
}

function keyOf({ body }: StoredRecord): string {
  return JSON.parse(new TextDecoder().decode(body)) as string;
}
