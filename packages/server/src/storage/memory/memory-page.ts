import type { Position, ReadPage, ReadQuery, StoredRecord } from '../../core/ports.ts';
import type { ChannelEntry } from '../shared/channel-directory.ts';
import { READ_ROWS_MAX } from '../shared/log-limits.ts';

export interface MemoryEvent {
  readonly record: StoredRecord;
  readonly channel: MemoryChannel;
  removed: boolean;
}

export interface MemoryChannel {
  readonly entry: ChannelEntry;
  /** In order. The events before the index `first` are removed. */
  events: MemoryEvent[];
  first: number;
}

/**
 * The next events of a query, among events in the order of their positions.
 * @param channels those that match the query
 * @returns with the number of events that were examined
 */
export function pageOf(
  query: ReadQuery,
  source: readonly MemoryEvent[],
  channels: ReadonlySet<MemoryChannel>,
): Pick<ReadPage, 'records' | 'reached'> & { readonly rows: number } {
  const { after, through, limit, bytesMax, types } = query;
  const forward = query.direction === 'forward';
  const step = forward ? 1 : -1;
  const records: StoredRecord[] = [];
  let bytes = 0;
  let rows = 0;
  for (
    let index = forward ? firstAfter(source, after) : firstAfter(source, through) - 1;
    index >= 0 && index < source.length;
    index += step
  ) {
    const { record, removed, channel } = source[index] as MemoryEvent;
    if (forward ? record.position > through : record.position <= after) break;
    const isMatch =
      !removed &&
      channels.has(channel) &&
      (types === undefined || (record.type !== undefined && types.includes(record.type)));
    const isFull =
      records.length > 0 && isMatch && (records.length >= limit || bytes + record.body.byteLength > bytesMax);
    if (isFull || rows === READ_ROWS_MAX)
      return { records, reached: forward ? record.position - 1 : record.position, rows };
    rows++;
    if (!isMatch) continue;
    records.push(record);
    bytes += record.body.byteLength;
  }
  return { records, reached: forward ? through : after, rows };
}

/** The index of the first event after a position. */
export function firstAfter(source: readonly MemoryEvent[], position: Position): number {
  let low = 0;
  let high = source.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((source[middle] as MemoryEvent).record.position > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
