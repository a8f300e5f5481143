import type { Position, StoredRecord, TrimOrder } from './ports.ts';
import { assertInvariant } from './primitives/invariant.ts';
import type { RecordDeque } from './record-deque.ts';

/**
 * The events of one channel in the tail. Example: the tail holds the events 500, 503 and 507 of
 * `orders.42`, and retention removes two of them. `records` has 507 then, and `completeFrom` and
 * `removedThrough` are 503.
 */
export interface ChannelTail {
  readonly records: RecordDeque;
  latestOnly: boolean;
  /** All events of the channel after this position are in `records`. */
  completeFrom: Position;
  /**
   * Retention has removed the channel's events up to and including this position. They remain in
   * the list of all events, and are skipped there. 0: none.
   */
  removedThrough: Position;
}

/** A removal by retention: a channel's events up to and including a position. */
export interface ChannelTrim {
  readonly channel: string;
  readonly through: Position;
}

/**
 * The events that an order removes now. None of a `latest` channel. None of an order with
 * `countMax: 0`, because only memory holds the events of such a channel.
 */
export function trimOf({ latestOnly, records }: ChannelTail, order: TrimOrder): ChannelTrim | undefined {
  if (latestOnly || order.countMax === 0) return undefined;
  const count = removedCount(records, order);
  return count > 0 ? { channel: order.channel, through: records.at(count - 1).position } : undefined;
}

/** Removes events, as far as the channel still has them. */
export function applyTrim(channel: ChannelTail, through: Position): void {
  const { records } = channel;
  while (records.length > 0 && records.at(0).position <= through) {
    const { position } = records.shift() as StoredRecord;
    channel.removedThrough = position;
    channel.completeFrom = Math.max(channel.completeFrom, position);
  }
}

/** @param remaining the channel's events that retention has not removed */
export function assertChannelTail(
  { records, latestOnly, completeFrom }: ChannelTail,
  remaining: readonly StoredRecord[],
): void {
  const expected = latestOnly ? remaining.slice(-1) : remaining;
  assertInvariant(
    records.length === expected.length && expected.every((record, index) => records.at(index) === record),
    'tail: a channel has its events that were not removed',
  );
  const [first] = expected;
  assertInvariant(
    first === undefined || completeFrom < first.position,
    'tail: a channel is complete before its events',
  );
}

/** The number of a channel's oldest events that an order removes. */
function removedCount(records: RecordDeque, { countMax, bytesMax, olderThanMs }: TrimOrder): number {
  let count = countMax === undefined ? 0 : Math.max(0, records.length - countMax);
  if (olderThanMs !== undefined) while (count < records.length && records.at(count).timeMs < olderThanMs) count++;
  if (bytesMax === undefined) return count;
  let bytes = 0;
  let kept = records.length;
  while (kept > count && bytes + records.at(kept - 1).body.length <= bytesMax) bytes += records.at(--kept).body.length;
  return kept;
}
