import { applyTrim, assertChannelTail, trimOf, type ChannelTail, type ChannelTrim } from './channel-tail.ts';
import type { Interest } from './interests/interest.ts';
import type { Position, StoredRecord, TrimOrder } from './ports.ts';
import { assertInvariant, assertRising } from './primitives/invariant.ts';
import { mergeInOrder, RecordDeque, recordsAfter, type NextRecord } from './record-deque.ts';
import { TailMemory } from './tail-memory.ts';

export interface TailOptions {
  /** Bytes of bodies and their overhead at most. The oldest events go first. */
  readonly bytesMax: number;
  /**
   * Channels that the tail remembers after their last event has left it, so that their readers need
   * no read of the log. The longest quiet go first.
   */
  readonly channelsMax: number;
  /** Whether the channel holds one value that a new event replaces. */
  readonly isLatestOnly: (channel: string) => boolean;
}

/**
 * An event of the tail, to be framed at once. The memory of its body may be that of another event
 * when the next commit comes. Whoever needs it longer calls `Tail.keep`.
 */
export type PassingRecord = Pick<StoredRecord, 'position' | 'channel' | 'body'>;

/** The events that the tail has for a reader. */
export interface Collected {
  readonly records: readonly PassingRecord[];
  /** Every matching event up to and including this position is in `records` or before. */
  readonly reached: Position;
  /** Not 0: retention has removed matching events up to and including this position. */
  readonly gapThrough: Position;
}

/**
 * Memory of an event beyond its body: the record, its places in two deques, and the view of its
 * bytes.
 */
const RECORD_OVERHEAD_BYTES = 240;

/** The memory of an event. */
function recordBytes({ body, trace }: StoredRecord): number {
  return body.length + RECORD_OVERHEAD_BYTES + (trace === undefined ? 0 : trace.length);
}

/**
 * A consumer with more channels than this makes the tail scan all events instead of one channel
 * after the other.
 */
const SEEK_CHANNELS_MAX = 16;

/**
 * The newest events, in memory, shared by all readers. A reader whose position is in the tail needs
 * no read of the log, however many readers there are.
 * A quiet channel is still covered after its last event: its readers need the log only when the
 * tail has forgotten the channel. Example: the tail starts at 500, and `orders.42` had its last
 * event at 300. A reader of `orders.42` at 310 is covered.
 */
export class Tail {
  readonly #options: TailOptions;
  readonly #records = new RecordDeque();
  readonly #channels = new Map<string, ChannelTail>();
  /** Channels without an event in the tail, the longest quiet first. */
  readonly #quiet = new Map<string, ChannelTail>();
  readonly #memory: TailMemory;
  #bytes = 0;
  /** Every event after this position is in the tail. */
  #start: Position;
  /** The same bound for a channel that is not in `#channels`. */
  #unknownChannelsFrom: Position;
  /** Retention has removed no event after this position. */
  #removedThrough: Position = 0;
  #head: Position;

  /** @param head the newest position of the log; the tail begins after it */
  constructor(options: TailOptions, head: Position) {
    this.#options = options;
    this.#memory = new TailMemory(options.bytesMax);
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

  /**
   * Whether all events after a position were accepted at `sinceMs` or later. `false` also when the
   * tail does not know.
   */
  isNewerThan(after: Position, sinceMs: number): boolean {
    if (after >= this.head) return true;
    if (after < this.#start) return false;
    const index = this.#records.indexAfter(after);
    return index >= this.#records.length || this.#records.at(index).timeMs >= sinceMs;
  }

  /**
   * Adds the events that the log held before this process began: all events after `start`, the
   * oldest first. Only while the tail is empty.
   */
  preload(records: readonly StoredRecord[], start: Position): void {
    this.#start = start;
    this.#unknownChannelsFrom = start;
    for (const record of records) this.#append(record);
    this.#evict();
  }

  /**
   * Adds the next event of the log.
   * @returns the bytes of its body if they were copied: its own memory is garbage soon; else 0
   */
  push(record: StoredRecord): number {
    assertInvariant(record.position > this.#head, 'tail: events come in the order of the log');
    const added = this.#memory.add(record);
    this.#append(added);
    this.#head = record.position;
    if (this.#bytes > this.#options.bytesMax) this.#evict();
    return added === record ? 0 : record.body.length;
  }

  /** Drops the oldest events beyond a bound that is lower than its own. */
  evictTo(bytesMax: number): void {
    if (this.#bytes > bytesMax) this.#evict(bytesMax);
  }

  /** Begins again after a position of the log, without the events up to it. */
  restart(head: Position): void {
    for (const record of this.#records) this.#memory.remove(record);
    this.#records.clear();
    this.#channels.clear();
    this.#quiet.clear();
    this.#bytes = 0;
    this.#start = this.#unknownChannelsFrom = this.#head = head;
  }

  /** Whether the tail has all matching events after a position. */
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
   * The next matching events after a position that the tail covers. At most `countMax` events, and
   * at most `bytesMax` bytes as `size` counts them, but always one. The events of `before` come
   * first, and count towards both bounds.
   */
  collect(
    interest: Interest,
    after: Position,
    bytesMax: number,
    countMax: number,
    size: (bodyBytes: number) => number,
    before: readonly PassingRecord[] = [],
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
        return { records, reached: (records[records.length - 1] as PassingRecord).position, gapThrough };
      }
      records.push(record);
    }
    return { records, reached: this.#head, gapThrough };
  }

  /** These events of the tail, for as long as the caller needs them. */
  keep(records: readonly PassingRecord[]): readonly StoredRecord[] {
    for (const record of records as readonly StoredRecord[]) this.#memory.own(record);
    return records as readonly StoredRecord[];
  }

  /**
   * The events of the tail that these orders remove now. None of a `latest` channel. None of an
   * order with `countMax: 0`, because only memory holds the events of such a channel.
   */
  trimsOf(orders: readonly TrimOrder[]): readonly ChannelTrim[] {
    const trims: ChannelTrim[] = [];
    for (const order of orders) {
      const channel = this.#channels.get(order.channel);
      const trim = channel === undefined ? undefined : trimOf(channel, order);
      if (trim !== undefined) trims.push(trim);
    }
    return trims;
  }

  /**
   * From now on no reader receives the removed events. They still count towards the bytes until
   * they leave the list of all events.
   */
  applyTrims(trims: readonly ChannelTrim[]): void {
    for (const { channel: name, through } of trims) {
      const channel = this.#channels.get(name);
      if (channel === undefined) continue;
      applyTrim(channel, through);
      this.#removedThrough = Math.max(this.#removedThrough, channel.removedThrough);
    }
  }

  /**
   * Drops all events up to a position, as if the tail had no room for them. Some were erased, so
   * nothing is left of them in its memory.
   */
  dropThrough(position: Position): void {
    while (this.#records.length > 0 && this.#records.at(0).position <= position) this.#dropOldest();
    this.#memory.overwriteUnused();
    this.#forgetChannels();
  }

  /**
   * Asks again which channels hold one value. Call it after the rules changed. The list of all
   * events still has replaced values, so a channel with a history again is complete.
   */
  refreshChannels(): void {
    const rebuilt = new Map<string, ChannelTail>();
    for (const [name, channel] of this.#channels) {
      const latestOnly = this.#options.isLatestOnly(name);
      if (channel.latestOnly === latestOnly) continue;
      const newest = channel.records.newest();
      channel.latestOnly = latestOnly;
      channel.records.clear();
      if (!latestOnly) rebuilt.set(name, channel);
      else if (newest !== undefined) channel.records.push(newest);
    }
    if (rebuilt.size === 0) return;
    for (const record of this.#records) {
      const channel = rebuilt.get(record.channel);
      if (channel !== undefined && record.position > channel.removedThrough) channel.records.push(record);
    }
  }

  /** The event of a channel at a position, if it is here. */
  find(channel: string, position: Position): StoredRecord | undefined {
    const records = this.#channels.get(channel)?.records;
    const index = records?.indexAfter(position - 1) ?? 0;
    const record = records !== undefined && index < records.length ? records.at(index) : undefined;
    return record?.position === position ? this.#kept(record) : undefined;
  }

  /** The newest event of a single channel, if it is here. */
  newest(interest: Interest): StoredRecord | undefined {
    return this.#kept(this.#channels.get(interest.patterns[0] as string)?.records.newest());
  }

  /** Visits every event and channel. */
  assertInvariants(): void {
    const remaining = new Map<string, StoredRecord[]>();
    let bytes = 0;
    for (const record of this.#records) {
      bytes += recordBytes(record);
      const channel = this.#channels.get(record.channel);
      assertInvariant(channel !== undefined, 'tail: the channel of each event is known');
      if (record.position > channel.removedThrough) groupInto(remaining, record);
    }
    this.#memory.assertInvariants(this.#records);
    assertInvariant(this.#bytes === bytes, 'tail: the bytes are the sum over all events');
    assertInvariant(bytes <= this.#options.bytesMax, 'tail: the bytes are bounded');
    assertRising(
      [this.#start, ...[...this.#records].map(({ position }) => position), this.#head + 1],
      'tail: events are in order, after the start, and not after the head',
    );
    assertInvariant(this.#unknownChannelsFrom <= this.#start, 'tail: it knows no less than all events after its start');
    for (const [name, channel] of this.#channels) {
      assertChannelTail(channel, remaining.get(name) ?? []);
      assertInvariant(this.#removedThrough >= channel.removedThrough, 'tail: no removal is after the newest removal');
    }
    for (const [name, channel] of this.#quiet) {
      assertInvariant(channel.records.length === 0, 'tail: a quiet channel has no events');
      assertInvariant(this.#channels.get(name) === channel, 'tail: a quiet channel is known');
    }
  }

  #kept(record: StoredRecord | undefined): StoredRecord | undefined {
    if (record !== undefined) this.#memory.own(record);
    return record;
  }

  /**
   * Iterates over the shortest list of records with all candidates: the list of one channel, those
   * of a few channels, or the whole tail.
   */
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
    // Only the newest event of a `latest` channel counts: a slow reader does not receive replaced
    // values.
    if (channel.latestOnly) channel.records.clear();
    channel.records.push(record);
    this.#records.push(record);
    this.#bytes += recordBytes(record);
  }

  /** Whether the event was replaced by a newer value, or removed by retention. */
  #isReplacedOrRemoved(record: StoredRecord): boolean {
    const channel = this.#channels.get(record.channel);
    if (channel === undefined) return false;
    return channel.latestOnly ? channel.records.newest() !== record : record.position <= channel.removedThrough;
  }

  /**
   * The position of the newest matching event after `after` that retention has removed; 0: none.
   */
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

  #evict(bytesMax = this.#options.bytesMax): void {
    while (this.#bytes > bytesMax && this.#records.length > 0) this.#dropOldest();
    this.#forgetChannels();
  }

  #dropOldest(): void {
    const record = this.#records.shift();
    if (record === undefined) return;
    this.#bytes -= recordBytes(record);
    this.#memory.remove(record);
    this.#start = record.position;
    const channel = this.#channels.get(record.channel);
    if (channel === undefined) return;
    channel.completeFrom = Math.max(channel.completeFrom, record.position);
    const { records } = channel;
    if (records.length > 0 && records.at(0) === record) records.shift();
    if (records.length === 0 && record.position >= channel.removedThrough) this.#quiet.set(record.channel, channel);
  }

  /**
   * Forgets quiet channels beyond the bound, the longest quiet first. Their readers then read the
   * log.
   */
  #forgetChannels(): void {
    const { channelsMax } = this.#options;
    if (this.#channels.size <= channelsMax || this.#quiet.size === 0) return;
    // Forgets many at once, because each search for a map's first entry passes over all entries
    // deleted before it.
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

function groupInto(groups: Map<string, StoredRecord[]>, record: StoredRecord): void {
  const group = groups.get(record.channel);
  if (group === undefined) groups.set(record.channel, [record]);
  else group.push(record);
}
