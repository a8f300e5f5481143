import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Log, NewRecord } from '../../../core/ports.ts';
import { record } from '../../contract/log/log-fixtures.ts';
import { openSqliteLog } from './open-sqlite-log.ts';

/** All 150 in a log of 20 MB by hand: `BIT_FLIPS=150 LOG_MB=20`. */
const FLIPS = Number(process.env['BIT_FLIPS'] ?? 15);
const LOG_MB = Number(process.env['LOG_MB'] ?? 1);
const EVENT_BYTES = 1_000;
const EVENTS = (LOG_MB * 1_000_000) / EVENT_BYTES;
const CHANNELS = 20;
const GOLDEN_RATIO = 0.618_033_988_75;
const FILES = ['log.db', 'generation.json', 'committed.json'];

type Outcome = 'refused' | 'new epoch' | 'gap' | 'harmless';

test('a flipped bit in the log never changes an event silently', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polycast-bit-rot-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const bodies = await fill(folder);
  const pristine = FILES.map((name) => [join(folder, name), readFileSync(join(folder, name))] as const);
  const database = pristine[0]?.[1] as Buffer;
  const { epoch } = await outcomeOf(folder, bodies, '');
  const outcomes: Record<Outcome, number> = { refused: 0, 'new epoch': 0, gap: 0, harmless: 0 };
  for (let flip = 0; flip < FLIPS; flip++) {
    const changed = Buffer.from(database);
    // The places are spread over the whole file, and the same in each run.
    const at = Math.floor(((flip * GOLDEN_RATIO) % 1) * changed.length);
    changed[at] = (changed[at] as number) ^ (1 << (flip % 8));
    // Written into the same files, so that the log does not look like a copy.
    for (const [path, content] of pristine) writeFileSync(path, path.endsWith('log.db') ? changed : content);
    const { outcome } = await outcomeOf(folder, bodies, epoch);
    outcomes[outcome]++;
  }
  console.info(`${FLIPS} flipped bits:`, outcomes);
  expect(outcomes.gap).toBeGreaterThan(0);
});

async function fill(folder: string): Promise<readonly string[]> {
  const log = await openSqliteLog({ folder });
  const bodies = Array.from({ length: EVENTS }, (_, index) => bodyOf(index));
  for (let at = 0; at < EVENTS; at += 500)
    await log.append(bodies.slice(at, at + 500).map((body, index) => recordOf(at + index, body)));
  await log.close();
  return bodies;
}

function bodyOf(index: number): string {
  const text = createHash('sha512').update(String(index)).digest('base64');
  return `"channel":"c.${index % CHANNELS}","data":"${index} ${text.repeat(EVENT_BYTES / 100)}"}`;
}

function recordOf(index: number, body: string): NewRecord {
  return record(`c.${index % CHANNELS}`, { timeMs: 1e12 + index, body: Buffer.from(body) });
}

/**
 * Opens the log and reads all of it twice: as a whole, and channel by channel. Each delivered event
 * has to equal the published one.
 */
async function outcomeOf(
  folder: string,
  bodies: readonly string[],
  epoch: string,
): Promise<{ readonly outcome: Outcome; readonly epoch: string }> {
  let log: Log;
  try {
    log = await openSqliteLog({ folder });
  } catch (error) {
    expect((error as Error).name).toBe('DataFolderError');
    return { outcome: 'refused', epoch };
  }
  try {
    const whole = await readAll(log, ['>'], bodies);
    const apart = [];
    for (let channel = 0; channel < CHANNELS; channel++) apart.push(await readAll(log, [`c.${channel}`], bodies));
    const isGap = whole.gaps + apart.reduce((sum, { gaps }) => sum + gaps, 0) > 0;
    const count = apart.reduce((sum, read) => sum + read.count, 0);
    if (!isGap && log.state.epoch === epoch) expect([whole.count, count]).toEqual([EVENTS, EVENTS]);
    const outcome = log.state.epoch === epoch ? (isGap ? 'gap' : 'harmless') : 'new epoch';
    return { outcome, epoch: log.state.epoch };
  } finally {
    await log.close();
  }
}

async function readAll(
  log: Log,
  patterns: readonly string[],
  bodies: readonly string[],
): Promise<{ readonly count: number; readonly gaps: number }> {
  let [count, gaps] = [0, 0];
  for (let after = 0; after < log.state.head;) {
    const range = { after, through: log.state.head, direction: 'forward', limit: 1_000, bytesMax: 1e7 } as const;
    const page = await log.read({ patterns, types: undefined, ...range });
    for (const { position, channel, body } of page.records) {
      expect(Buffer.from(body).toString()).toBe(bodies[position - 1]);
      expect(channel).toBe(`c.${(position - 1) % CHANNELS}`);
      count++;
    }
    if (page.corruptThrough > after) gaps++;
    after = page.reached;
  }
  return { count, gaps };
}
