import type { ChannelQuery, ChannelState, Position, TrimOrder } from '../../core/ports.ts';
import { SortedNames } from './sorted-names.ts';

/** Names that one step of a list visits: a millisecond or two. */
export const VISITED_PER_STEP = 8_192;

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

/**
 * How far a list has come. A list of a million channels, or of new ones that are not sorted yet,
 * takes longer than a publisher may wait. So it consists of steps, with appends between them.
 */
export interface ListProgress {
  /** Channels after this name remain. */
  readonly after: string;
  /** The channels that existed when the list began: `addedCount` of `SortedNames`. */
  readonly sortedThrough: number;
}

export interface ListedStep {
  readonly channels: readonly ChannelState[];
  /** The start of the next step. Undefined at the end. */
  readonly next: ListProgress | undefined;
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

  /**
   * One step of a list: sorts new channels, or visits sorted ones. A list has all channels that
   * existed when it began.
   * @param query its limit is that of this step
   */
  list({ after, limit, changedSince = -1 }: ChannelQuery, progress: ListProgress | undefined): ListedStep {
    const sorted = this.#sorted;
    const sortedThrough = Math.min(progress?.sortedThrough ?? Infinity, sorted.addedCount);
    const from = progress?.after ?? after;
    if (sorted.sortedCount < sortedThrough) {
      sorted.sortStep();
      if (sorted.sortedCount < sortedThrough) return { channels: [], next: { after: from, sortedThrough } };
    }
    const channels: ChannelState[] = [];
    let visited = 0;
    let next: ListProgress | undefined;
    const visit = (entry: ChannelEntry): boolean => {
      if (entry.appendedPosition > changedSince) channels.push(stateOf(entry));
      if (channels.length >= limit) return false;
      if (++visited === VISITED_PER_STEP) next = { after: entry.name, sortedThrough };
      return next === undefined;
    };
    if (limit > 0) sorted.visitAfter(from, visit);
    return { channels, next };
  }
}

/** Takes the steps of a list, one after the other. */
export async function listAll(
  query: ChannelQuery,
  step: (query: ChannelQuery, progress: ListProgress | undefined) => Promise<ListedStep>,
): Promise<readonly ChannelState[]> {
  let { channels, next } = await step(query, undefined);
  while (next !== undefined) {
    const more: ListedStep = await step({ ...query, limit: query.limit - channels.length }, next);
    channels = channels.length === 0 ? more.channels : [...channels, ...more.channels];
    next = more.next;
  }
  return channels;
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
