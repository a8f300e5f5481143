import type { ChannelQuery, ChannelState, Position, TrimOrder } from '../../core/ports.ts';
import { SortedNames } from './sorted-names.ts';

/**
 * The data of one channel in a log. Retention removes events from the oldest on. Only an erasure
 * makes a hole.
 */
export interface ChannelEntry {
  readonly name: string;
  /** Rises with each new channel. No id is assigned twice. */
  readonly id: number;
  count: number;
  bytes: number;
  /** The time of the oldest event, in milliseconds since 1970. 0 when there is no event. */
  oldestTimeMs: number;
  /** The position of the newest event in the log. 0 when there is none. */
  latestPosition: Position;
  /**
   * The position and time of the newest event ever stored. They remain when the event is removed.
   */
  appendedPosition: Position;
  appendedTimeMs: number;
  /** The newest position that retention or an erasure removed from this channel. 0: none. */
  trimmedThrough: Position;
  /** The newest position that an erasure removed from this channel. 0: none. */
  erasedThrough: Position;
}

/** All channels of a log, by name and in the order of their names. */
export class ChannelDirectory {
  readonly #byName = new Map<string, ChannelEntry>();
  readonly #sorted = new SortedNames<ChannelEntry>();

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): ChannelEntry | undefined {
    return this.#byName.get(name);
  }

  add(entry: ChannelEntry): void {
    this.#byName.set(entry.name, entry);
    this.#sorted.add(entry);
  }

  values(): IterableIterator<ChannelEntry> {
    return this.#byName.values();
  }

  remove(entry: ChannelEntry): void {
    this.#byName.delete(entry.name);
    this.#sorted.delete(entry);
  }

  list(query: ChannelQuery): ChannelState[] {
    const since = query.changedSince ?? -1;
    const found: ChannelState[] = [];
    if (query.limit < 1) return found;
    this.#sorted.visitAfter(
      query.after,
      (entry) => entry.appendedPosition <= since || found.push(stateOf(entry)) < query.limit,
    );
    return found;
  }
}

export function createChannelEntry(
  name: string,
  id: number,
  trimmedThrough: Position,
  erasedThrough: Position,
): ChannelEntry {
  return {
    name,
    id,
    count: 0,
    bytes: 0,
    oldestTimeMs: 0,
    latestPosition: 0,
    appendedPosition: 0,
    appendedTimeMs: 0,
    trimmedThrough,
    erasedThrough,
  };
}

/** Whether a channel has events that an order removes. */
export function exceeds(
  entry: ChannelEntry | undefined,
  { countMax = Infinity, bytesMax = Infinity, olderThanMs = 0 }: TrimOrder,
): entry is ChannelEntry {
  return (
    entry !== undefined &&
    entry.count > 0 &&
    (entry.count > countMax || entry.bytes > bytesMax || entry.oldestTimeMs < olderThanMs)
  );
}

function stateOf({ name, count, bytes, oldestTimeMs, latestPosition }: ChannelEntry): ChannelState {
  return { channel: name, count, bytes, oldestTimeMs, latestPosition };
}
