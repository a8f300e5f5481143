import type { Log, Position, StoredRecord } from './ports.ts';

/** Bounds of the events that are read at the start. */
const PRELOAD_BYTES_MAX = 8 * 1024 * 1024;
export const PRELOAD_COUNT_MAX = 20_000;

/**
 * Reads the newest events of a log, so that clients that reconnect after a restart find them in
 * memory.
 * @param through the last of them
 */
export async function readNewestEvents(log: Log, through: Position, bytesMax: number): Promise<NewestEvents> {
  const page = await log.read({
    patterns: ['>'],
    types: undefined,
    after: 0,
    through,
    direction: 'backward',
    limit: PRELOAD_COUNT_MAX,
    bytesMax: Math.min(PRELOAD_BYTES_MAX, bytesMax),
  });
  // Events that retention removed are missing from the page. It is complete for every channel only
  // after this position.
  const start = Math.max(page.reached, page.trimmedThrough, page.corruptThrough);
  return {
    records: page.records.toReversed().filter((record) => record.position > start),
    start,
    hasErased: page.erasedThrough > 0,
  };
}

/** The newest events of a log, the oldest first. */
interface NewestEvents {
  readonly records: readonly StoredRecord[];
  /** Every later event is among them. */
  readonly start: Position;
  /** Events of this log were erased. */
  readonly hasErased: boolean;
}
