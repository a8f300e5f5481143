import type { Interest } from './interest.ts';
import type { Position, StoredRecord } from './ports.ts';
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
}

/**
 * The recent events, in memory, shared by all readers. A reader whose place is in here costs no read of the log, however
 * many come at once; a channel that is quiet stays here for as long as nothing of it has been let go.
 */
export class Tail {
  readonly #options: TailOptions;
  readonly #records = new RecordDeque();
  readonly #channels = new Map<string, ChannelTail>();
  #bytes = 0;
  /** Every event after this is in the tail. */
  #start: Position;
  /** The same, for a channel that the tail has no word of. */
  #unknownFrom: Position;
  #head: Position;

  /** @param head the newest position of the log; the tail begins after it */
  constructor(options: TailOptions, head: Position) {
    this.#options = options;
    this.#start = head;
    this.#unknownFrom = head;
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

  /** Takes in what a log held before this process began: all events after `start`, oldest first. Only while empty. */
  preload(records: readonly StoredRecord[], start: Position): void {
    this.#start = start;
    this.#unknownFrom = start;
    for (const record of records) this.#take(record);
    this.#evict();
  }

  /** Takes in the next event of the log. */
  push(record: StoredRecord): void {
    this.#take(record);
    this.#head = record.position;
    if (this.#bytes > this.#options.bytesMax) this.#evict();
  }

  /** Whether all that the interest means, after a position, is here. */
  covers(interest: Interest, after: Position): boolean {
    if (after >= this.#start) return true;
    if (interest.hasWildcard) return false;
    for (const channel of interest.patterns) {
      const completeFrom = this.#channels.get(channel)?.completeFrom ?? this.#unknownFrom;
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
    const source = this.#candidates(interest, after);
    const records = [...before];
    let bytes = 0;
    for (const { body } of before) bytes += size(body.length);
    for (let index = source.index; index < source.records.length; index++) {
      const record = source.records.at(index);
      if (!interest.means(record) || this.#isSuperseded(record)) continue;
      bytes += size(record.body.length);
      if (records.length > 0 && (bytes > bytesMax || records.length >= countMax)) {
        return { records, reached: (records[records.length - 1] as StoredRecord).position };
      }
      records.push(record);
    }
    return { records, reached: this.#head };
  }

  /** The newest event of a single channel, if it is here. */
  newest(interest: Interest): StoredRecord | undefined {
    return this.#channels.get(interest.patterns[0] as string)?.records.newest();
  }

  /** The shortest run of records that holds all candidates: a channel's own, a merge of a few, or the whole tail. */
  #candidates(interest: Interest, after: Position): { readonly records: Pick<RecordDeque, 'at' | 'length'>; readonly index: number } {
    if (interest.hasWildcard || interest.patterns.length > SEEK_CHANNELS_MAX) {
      return { records: this.#records, index: this.#records.indexAfter(after) };
    }
    if (interest.patterns.length === 1) {
      const records = this.#channels.get(interest.patterns[0] as string)?.records ?? NO_RECORDS;
      return { records, index: records.indexAfter(after) };
    }
    const merged: StoredRecord[] = [];
    for (const channel of interest.patterns) {
      const records = this.#channels.get(channel)?.records ?? NO_RECORDS;
      for (let index = records.indexAfter(after); index < records.length; index++) merged.push(records.at(index));
    }
    merged.sort((a, b) => a.position - b.position);
    return { records: { length: merged.length, at: (index) => merged[index] as StoredRecord }, index: 0 };
  }

  #take(record: StoredRecord): void {
    let channel = this.#channels.get(record.channel);
    if (channel === undefined) {
      channel = { records: new RecordDeque(), latestOnly: this.#options.isLatestOnly(record.channel), completeFrom: this.#unknownFrom };
      this.#channels.set(record.channel, channel);
    }
    // Of a value only the newest counts: a slow reader is not given what has been replaced.
    if (channel.latestOnly) channel.records.clear();
    channel.records.push(record);
    this.#records.push(record);
    this.#bytes += record.body.length + RECORD_OVERHEAD_BYTES;
  }

  #isSuperseded(record: StoredRecord): boolean {
    const channel = this.#channels.get(record.channel);
    return channel !== undefined && channel.latestOnly && channel.records.newest() !== record;
  }

  #evict(): void {
    while (this.#bytes > this.#options.bytesMax) {
      const record = this.#records.shift();
      if (record === undefined) break;
      this.#bytes -= record.body.length + RECORD_OVERHEAD_BYTES;
      this.#start = record.position;
      const channel = this.#channels.get(record.channel);
      if (channel === undefined) continue;
      channel.completeFrom = record.position;
      if (channel.records.length > 0 && channel.records.at(0) === record) channel.records.shift();
    }
    this.#forgetChannels();
  }

  /** Forgets quiet channels beyond the bound, the first known first; their readers will ask the log. */
  #forgetChannels(): void {
    let over = this.#channels.size - this.#options.channelsMax;
    if (over <= 0) return;
    for (const [name, channel] of this.#channels) {
      if (over <= 0) return;
      if (channel.records.length > 0) continue;
      this.#channels.delete(name);
      if (channel.completeFrom > this.#unknownFrom) this.#unknownFrom = channel.completeFrom;
      over--;
    }
  }
}

const NO_RECORDS = new RecordDeque();
