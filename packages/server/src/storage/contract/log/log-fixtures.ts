import { expect } from 'vitest';
import {
  ERASED_EVENTS_MAX,
  type AppendOutcome,
  type Log,
  type NewRecord,
  type ReadPage,
  type ReadQuery,
} from '../../../core/ports.ts';
import { encodeExactBatch } from '../../shared/batch-codec.ts';
import type { Block } from '../../view/block.ts';
import { commandBytes } from '../../view/view-state.ts';

/** Opens an empty log of the implementation under test. The contract closes it. */
export type OpenLog = (options: { readonly channelsMax?: number }) => Promise<Log>;

export const HOUR_MS = 3_600_000;
export const START_MS = 1_800_000_000_000;

/** An event for a channel, with ordinary values unless they are given. */
export function record(channel: string, overrides: Partial<NewRecord> = {}): NewRecord {
  return {
    channel,
    type: undefined,
    timeMs: START_MS,
    body: bytes(bodyOf(channel)),
    retain: 'history',
    idempotencyKey: undefined,
    fingerprint: undefined,
    ifLatest: undefined,
    ...overrides,
  };
}

/** A query for all events of these patterns. */
export function queryAll(log: Log, patterns: readonly string[]): ReadQuery {
  return {
    patterns,
    types: undefined,
    after: 0,
    through: log.state.head,
    direction: 'forward',
    limit: 100_000,
    bytesMax: 1e9,
  };
}

/** Reads page by page, until the pages have covered the whole range. */
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

export async function trimAll(log: Log, orders: Parameters<Log['trim']>[0], nowMs: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const step = await log.trim(orders, nowMs);
    removed += step.removed;
    if (!step.more) return removed;
  }
}

export async function eraseAll(log: Log, positions: readonly number[], channels: readonly string[]): Promise<void> {
  for (let at = 0; at < positions.length; at += ERASED_EVENTS_MAX)
    await log.erasing.erase({ positions: positions.slice(at, at + ERASED_EVENTS_MAX), channels: [] });
  await log.erasing.erase({ positions: [], channels });
}

export async function channelsRead(log: Log, patterns: string[]): Promise<string[]> {
  return (await log.read(queryAll(log, patterns))).records.map(({ channel }) => channel);
}

export function kinds(outcomes: readonly AppendOutcome[]): string[] {
  return outcomes.map(({ kind }) => kind);
}

export function bodyOf(channel: string): string {
  return `"channel":"${channel}","data":1}`;
}

export function bytes(string: string): Uint8Array {
  return new TextEncoder().encode(string);
}

export function text(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

/** The first block of a journal. Its channels are few. */
export const GENESIS: Block = {
  sequence: 1,
  id: 'g-1',
  kind: 'genesis',
  data: new Uint8Array(commandBytes({ format: 1, epoch: '0t24qj92dx', channelsMax: 10 })),
};

/** A block with events of the channel `a`. */
export function eventsBlock(sequence: number, events = 1): Block {
  const records = Array.from({ length: events }, () => record('a'));
  return { sequence, id: `h-${sequence}`, kind: 'events', data: new Uint8Array(encodeExactBatch(records)) };
}
