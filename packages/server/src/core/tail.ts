import type { Interest } from './interests/interest.ts';
import type { Position, StoredRecord, TrimOrder } from './ports.ts';
import { RecordDeque } from './record-deque.ts';

export interface TailOptions {
  /** Bodies and what it takes to hold them, at most; the oldest events go first. */
  readonly bytesMax: number;
  /** Channels remembered beyond their last event in the tail, so that their readers need no log; the oldest go first. */
  readonly channelsMax: number;
  /** Whether a channel holds one value that a new event replaces. */
  readonly isLatestOnly: (channel: string) => boolean;
}

/** What the tail has for a reader. */
export interface Collected {
  readonly records: readonly StoredRecord[];
  /** Every event meant, up to and with this position, is in `records` or before. */
  readonly reached: Position;
  /** Not 0: up to and with this position, retention has removed some that are meant. */
  readonly gapThrough: Position;
}

/** What retention takes of a channel: its events up to and with a position. */
export interface ChannelTrim {
  readonly channel: string;
  readonly through: Position;
}

/** What an event costs beyond its body: the record, its places in two deques, and the view of its bytes. */
const RECORD_OVERHEAD_BYTES = 240;

/** How many channels a consumer may name before the tail is scanned instead of asking channel by channel. */
const SEEK_CHANNELS_MAX = 16;

interface ChannelTail {
  readonly records: RecordDeque;
  readonly latestOnly: boolean;
  /** All events of the channel after this position are in `records`. */
  completeFrom: Position;
  /** Retention has removed the events up to and with this one, though they lie among those of all channels; 0: none. */
  removedThrough: Position;
}

/**
 * The recent events, in memory, shared by all readers. A reader whose place is in here costs no read of the log, however
 * many come at once; a channel that is quiet stays here for as long as nothing of it has been let go.
 */
export class Tail {
  readonly #options: TailOptions;
  readonly #records = new RecordDeque();
  readonly #channels = new Map<string, ChannelTail>();
  /** Channels whose last event has been let go, the longest quiet first. */
  readonly #quiet = new Map<string, ChannelTail>();
  #bytes = 0;
  /** Every event after this is in the tail. */
  #start: Position;
  /** The same, for a channel that the tail has no word of. */
  #unknownChannelsFrom: Position;
  /** Nothing after this has been removed by retention. */
  #removedThrough: Position = 0;
  #head: Position;

  /** @param head the newest position of the log; the tail begins after it */
  constructor(options: TailOptions, head: Position) {
    this.#options = options;
    this.#start = head;
    this.#unknownChannelsFrom = head;
    this.#head = head;
  }

  get head(): Position {
    return this.#head;
  }

  get start(): Position {
    return this.#start;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#records.length;
  }

  /** Whether all that comes after a position was accepted at a moment or later; `false` also when it is not known here. */
  isNewerThan(after: Position, sinceMs: number): boolean {
    if (after >= this.head) return true;
    if (after < this.#start) return false;
    const index = this.#records.indexAfter(after);
    return index >= this.#records.length || this.#records.at(index).timeMs >= sinceMs;
  }

  /** Takes in what a log held before this process began: all events after `start`, oldest first. Only while empty. */
  preload(records: readonly StoredRecord[], start: Position): void {
    this.#start = start;
    this.#unknownChannelsFrom = start;
    for (const record of records) this.#append(record);
    this.#evict();
  }

  /** Takes in the next event of the log. */
  push(record: StoredRecord): void {
    this.#append(record);
    this.#head = record.position;
    if (this.#bytes > this.#options.bytesMax) this.#evict();
  }

  /** Whether all that the interest means, after a position, is here. */
  covers(interest: Interest, after: Position): boolean {
    if (after >= this.#start) return true;
    if (interest.hasWildcard) return false;
    for (const channel of interest.patterns) {
      const completeFrom = this.#channels.get(channel)?.completeFrom ?? this.#unknownChannelsFrom;
      if (after < completeFrom) return false;
    }
    return true;
  }

  /**
   * The next events for an interest after a position that it covers, at most `countMax`, and at most `bytesMax` of `size`
   * but always one; what is `before` them counts.
   */
  collect(
    interest: Interest,
    after: Position,
    bytesMax: number,
    countMax: number,
    size: (bodyBytes: number) => number,
    before: readonly StoredRecord[] = [],
  ): Collected {
    const next = this.#candidates(interest, after);
    const gapThrough = after < this.#removedThrough ? this.#removedThroughFor(interest, after) : 0;
    const records = [...before];
    let bytes = 0;
    for (const { body } of before) bytes += size(body.length);
    for (let record = next(); record !== undefined; record = next()) {
      if (!interest.matches(record) || this.#isReplacedOrRemoved(record)) continue;
      bytes += size(record.body.length);
      if (records.length > 0 && (bytes > bytesMax || records.length >= countMax)) {
        return { records, reached: (records[records.length - 1] as StoredRecord).position, gapThrough };
      }
      records.push(record);
    }
    return { records, reached: this.#head, gapThrough };
  }

  /** What these orders take of what is here now; of a value that is replaced, and of what only memory holds, nothing. */
  trimsOf(orders: readonly TrimOrder[]): readonly ChannelTrim[] {
    const trims: ChannelTrim[] = [];
    for (const order of orders) {
      const channel = this.#channels.get(order.channel);
      if (channel === undefined || channel.latestOnly || order.countMax === 0) continue;
      const count = removedCount(channel.records, order);
      if (count > 0) trims.push({ channel: order.channel, through: channel.records.at(count - 1).position });
    }
    return trims;
  }

  /** From now on the events that are cut off are given to nobody. They count among the bytes for as long as they would have. */
  applyTrims(trims: readonly ChannelTrim[]): void {
    for (const { channel: name, through } of trims) {
      const channel = this.#channels.get(name);
      if (channel === undefined) continue;
      const { records } = channel;
      while (records.length > 0 && records.at(0).position <= through) {
        const { position } = records.shift() as StoredRecord;
        channel.removedThrough = position;
        channel.completeFrom = Math.max(channel.completeFrom, position);
        this.#removedThrough = Math.max(this.#removedThrough, position);
      }
    }
  }

  /** The event of a channel at a position, if it is here. */
  find(channel: string, position: Position): StoredRecord | undefined {
    const records = this.#channels.get(channel)?.records;
    const index = records?.indexAfter(position - 1) ?? 0;
    const record = records !== undefined && index < records.length ? records.at(index) : undefined;
    return record?.position === position ? record : undefined;
  }

  /** The newest event of a single channel, if it is here. */
  newest(interest: Interest): StoredRecord | undefined {
    return this.#channels.get(interest.patterns[0] as string)?.records.newest();
  }

  /** One by one, the shortest run of records that holds all that may be meant: a channel's own, those of a few, or the whole tail. */
  #candidates(interest: Interest, after: Position): NextRecord {
    if (interest.hasWildcard || interest.patterns.length > SEEK_CHANNELS_MAX) return recordsAfter(this.#records, after);
    const iterators = interest.patterns.map((channel) =>
      recordsAfter(this.#channels.get(channel)?.records ?? NO_RECORDS, after),
    );
    return iterators.length === 1 ? (iterators[0] as NextRecord) : mergeInOrder(iterators);
  }

  #append(record: StoredRecord): void {
    let channel = this.#channels.get(record.channel);
    if (channel === undefined) {
      channel = {
        records: new RecordDeque(),
        latestOnly: this.#options.isLatestOnly(record.channel),
        completeFrom: this.#unknownChannelsFrom,
        removedThrough: 0,
      };
      this.#channels.set(record.channel, channel);
    } else if (channel.records.length === 0) this.#quiet.delete(record.channel);
    // Of a value only the newest counts: a slow reader is not given what has been replaced.
    if (channel.latestOnly) channel.records.clear();
    channel.records.push(record);
    this.#records.push(record);
    this.#bytes += record.body.length + RECORD_OVERHEAD_BYTES;
  }

  /** Replaced by a newer value, or removed by retention. */
  #isReplacedOrRemoved(record: StoredRecord): boolean {
    const channel = this.#channels.get(record.channel);
    if (channel === undefined) return false;
    return channel.latestOnly ? channel.records.newest() !== record : record.position <= channel.removedThrough;
  }

  /** The newest event that retention has removed of those that are meant after a position; 0: none. */
  #removedThroughFor(interest: Interest, after: Position): Position {
    let through: Position = 0;
    if (interest.hasWildcard) {
      const next = recordsAfter(this.#records, after);
      for (let record = next(); record !== undefined && record.position <= this.#removedThrough; record = next())
        if (interest.matches(record) && record.position <= (this.#channels.get(record.channel)?.removedThrough ?? 0))
          through = record.position;
      return through;
    }
    for (const channel of interest.patterns)
      through = Math.max(through, this.#channels.get(channel)?.removedThrough ?? 0);
    return through > after ? through : 0;
  }

  #evict(): void {
    while (this.#bytes > this.#options.bytesMax) {
      const record = this.#records.shift();
      if (record === undefined) break;
      this.#bytes -= record.body.length + RECORD_OVERHEAD_BYTES;
      this.#start = record.position;
      const channel = this.#channels.get(record.channel);
      if (channel === undefined) continue;
      channel.completeFrom = Math.max(channel.completeFrom, record.position);
      const { records } = channel;
      if (records.length > 0 && records.at(0) === record) records.shift();
      if (records.length === 0 && record.position >= channel.removedThrough) this.#quiet.set(record.channel, channel);
    }
    this.#forgetChannels();
  }

  /** Forgets quiet channels beyond the bound, the longest quiet first; their readers will ask the log. */
  #forgetChannels(): void {
    const { channelsMax } = this.#options;
    if (this.#channels.size <= channelsMax || this.#quiet.size === 0) return;
    // A good many at once: each look for the first of a map passes over all that have been deleted before it.
    let excess = Math.min(this.#channels.size - channelsMax + (channelsMax >>> 4), this.#quiet.size);
    for (const [name, channel] of this.#quiet) {
      this.#quiet.delete(name);
      this.#channels.delete(name);
      if (channel.completeFrom > this.#unknownChannelsFrom) this.#unknownChannelsFrom = channel.completeFrom;
      if (--excess === 0) return;
    }
  }
}

const NO_RECORDS = new RecordDeque();

/** How many of the oldest of a channel's events an order takes. */
function removedCount(records: RecordDeque, { countMax, bytesMax, olderThanMs }: TrimOrder): number {
  let count = countMax === undefined ? 0 : Math.max(0, records.length - countMax);
  if (olderThanMs !== undefined) while (count < records.length && records.at(count).timeMs < olderThanMs) count++;
  if (bytesMax === undefined) return count;
  let bytes = 0;
  let kept = records.length;
  while (kept > count && bytes + records.at(kept - 1).body.length <= bytesMax) bytes += records.at(--kept).body.length;
  return kept;
}

/** The next record, until there is none. */
type NextRecord = () => StoredRecord | undefined;

function recordsAfter(records: RecordDeque, after: Position): NextRecord {
  let index = records.indexAfter(after);
  return () => (index < records.length ? records.at(index++) : undefined);
}

/** A few runs as one, in the order of the log; no more of them is looked at than is asked for. */
function mergeInOrder(runs: readonly NextRecord[]): NextRecord {
  const heads = runs.map((next) => next());
  return () => {
    let first = -1;
    for (let index = 0; index < heads.length; index++) {
      const head = heads[index];
      if (head !== undefined && (first < 0 || head.position < (heads[first] as StoredRecord).position)) first = index;
    }
    if (first < 0) return undefined;
    const record = heads[first];
    heads[first] = (runs[first] as NextRecord)();
    return record;
  };
}
