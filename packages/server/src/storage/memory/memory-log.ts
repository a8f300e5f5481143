import { createEpoch, hasWildcard, matches, PolycastError } from '@polycast/protocol';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { detachedCopy } from '../../core/interests/interest.ts';
import { matchesLatest } from '../../core/events/latest.ts';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  CountedPage,
  CountQuery,
  Log,
  LogState,
  NewRecord,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import { ChannelDirectory, createChannelEntry } from '../shared/channel-directory.ts';
import type { ChannelEntry } from '../shared/channel-directory.ts';
import { EmptyChannels } from '../shared/empty-channels.ts';
import { ChannelPrefixes, prefixOf } from '../shared/channel-prefixes.ts';
import {
  CHANNELS_MAX_DEFAULT,
  FORGOTTEN_CHANNELS_MAX,
  KEY_LIFETIME_MS,
  KEYS_BYTES_MAX,
  READ_ROWS_MAX,
  TRIM_EVENTS_MAX,
} from '../shared/log-limits.ts';

export interface MemoryLogOptions {
  /** Wall clock, in milliseconds since 1970. The name of the epoch is derived from it. */
  readonly nowMs?: () => number;
  /** A random number in [0, 1). The name of the epoch is derived from it. */
  readonly chance?: () => number;
  readonly channelsMax?: number;
  /** Bytes that idempotency keys may take. */
  readonly keysBytesMax?: number;
}

/**
 * A log in memory, which ends with its process: for tests, and for `--data :memory:`. Retention
 * alone bounds its events.
 */
export function createMemoryLog(options: MemoryLogOptions = {}): Log {
  return new MemoryLog(options);
}

interface MemoryEvent {
  readonly record: StoredRecord;
  readonly channel: MemoryChannel;
  removed: boolean;
}

interface MemoryChannel {
  readonly entry: ChannelEntry;
  /** In order. The events before the index `first` are removed. */
  events: MemoryEvent[];
  first: number;
}

interface UsedKey {
  readonly fingerprint: string | undefined;
  readonly position: Position;
  readonly channel: string;
  readonly timeMs: number;
}

interface PendingAppend {
  readonly records: readonly NewRecord[];
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
}

class MemoryLog implements Log {
  readonly #epoch: string;
  readonly #channelsMax: number;
  readonly #directory = new ChannelDirectory();
  readonly #channels = new Map<string, MemoryChannel>();
  readonly #keys = new Map<string, UsedKey>();
  readonly #keysBytesMax: number;
  #keysBytes = 0;
  #keysRefused = 0;
  #events: MemoryEvent[] = [];
  #removedEvents = 0;
  #head: Position = 0;
  readonly #emptyChannels = new EmptyChannels();
  readonly #prefixes = new ChannelPrefixes();
  #lastChannelId = 0;
  #listener: ((records: readonly StoredRecord[]) => void) | undefined;
  #pendingAppends: PendingAppend[] = [];
  #closed = false;
  readonly #stats = { commits: 0, records: 0, reads: 0, rowsRead: 0, trimmed: 0 };

  constructor({
    nowMs = Date.now,
    chance = Math.random,
    channelsMax = CHANNELS_MAX_DEFAULT,
    keysBytesMax = KEYS_BYTES_MAX,
  }: MemoryLogOptions) {
    this.#keysBytesMax = keysBytesMax;
    this.#epoch = createEpoch(nowMs(), chance());
    this.#channelsMax = channelsMax;
  }

  get state(): LogState {
    return {
      epoch: this.#epoch,
      epochStart: 0,
      head: this.#head,
      unavailable: this.#closed ? 'log_unavailable' : undefined,
    };
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    if (this.#closed) return Promise.reject(closedError());
    const { promise, resolve } = Promise.withResolvers<readonly AppendOutcome[]>();
    // Commits after this call has returned, like every other `Log`. A follower may append, and must
    // not be called within its own call.
    if (this.#pendingAppends.push({ records, resolve }) === 1) queueMicrotask(() => this.#commit());
    return promise;
  }

  follow(listener: (records: readonly StoredRecord[]) => void): void {
    this.#listener = listener;
  }

  read(query: ReadQuery): Promise<ReadPage> {
    if (this.#closed) return Promise.reject(closedError());
    this.#stats.reads++;
    const bounded = { ...query, through: Math.max(query.after, Math.min(query.through, this.#head)) };
    const channels = this.#matchingChannels(query.patterns);
    const source = channels.size === 1 ? eventsOf(channels) : this.#events;
    return Promise.resolve({
      ...this.#page(bounded, source, channels),
      trimmedThrough: this.#trimmedThrough(bounded, channels),
      corruptThrough: bounded.after,
    });
  }

  async count(query: CountQuery): Promise<CountedPage> {
    const all = { ...query, direction: 'forward', limit: Infinity, bytesMax: Infinity } as const;
    const { records, ...page } = await this.read(all);
    return { ...page, count: records.length };
  }

  channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    return this.#closed ? Promise.reject(closedError()) : Promise.resolve(this.#directory.list(query));
  }

  trim(orders: readonly TrimOrder[], nowMs: number): Promise<{ removed: number; more: boolean }> {
    if (this.#closed) return Promise.reject(closedError());
    let left = TRIM_EVENTS_MAX;
    let more = this.#purgeKeys(nowMs);
    for (const order of orders) {
      const channel = this.#channels.get(order.channel);
      for (; channel !== undefined && left > 0 && exceeds(channel, order); left--) {
        channel.entry.trimmedThrough = this.#removeOldest(channel);
        if (channel.entry.count === 0) this.#emptyChannels.add(channel.entry);
      }
      more ||= channel !== undefined && exceeds(channel, order);
    }
    more = this.#forgetChannels(nowMs) || more;
    this.#stats.trimmed += TRIM_EVENTS_MAX - left;
    return Promise.resolve({ removed: TRIM_EVENTS_MAX - left, more });
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#stats, channels: this.#directory.size, keys: this.#keys.size };
  }

  get memoryUsage(): Readonly<Record<'idempotency_keys', MemoryUsage>> {
    return {
      idempotency_keys: { bytes: this.#keysBytes, bytesMax: this.#keysBytesMax, refused: this.#keysRefused },
    };
  }

  async close(): Promise<void> {
    this.#commit();
    this.#closed = true;
  }

  #commit(): void {
    const appends = this.#pendingAppends;
    if (appends.length === 0) return;
    this.#pendingAppends = [];
    const stored: StoredRecord[] = [];
    const outcomes = appends.map(({ records }) => records.map((record) => this.#appendOne(record, stored)));
    this.#stats.commits++;
    this.#stats.records += stored.length;
    if (stored.length > 0) this.#listener?.(stored);
    appends.forEach(({ resolve }, index) => resolve(outcomes[index] as AppendOutcome[]));
  }

  #appendOne(record: NewRecord, stored: StoredRecord[]): AppendOutcome {
    const { channel: name, type, timeMs, body, trace, retain, idempotencyKey: key, fingerprint, ifLatest } = record;
    const used = key === undefined ? undefined : this.#keys.get(key);
    if (used !== undefined && used.timeMs + KEY_LIFETIME_MS > timeMs) {
      if (used.fingerprint !== fingerprint) return { kind: 'key_reused' };
      return { kind: 'duplicate', position: used.position, channel: used.channel, timeMs: used.timeMs };
    }
    const latest = this.#directory.get(name)?.latestPosition ?? 0;
    if (ifLatest !== undefined && !matchesLatest(ifLatest, latest)) return { kind: 'conflict', latest };
    if (key !== undefined && used === undefined && this.#keysBytes + keyBytes(key, fingerprint) > this.#keysBytesMax) {
      this.#keysRefused++;
      return { kind: 'key_limit' };
    }
    const channel = retain === 'none' ? undefined : this.#channelFor(name);
    if (channel === undefined && retain !== 'none') return { kind: 'channel_limit' };

    const position = ++this.#head;
    const storedRecord: StoredRecord = { position, channel: name, type, timeMs, body, trace };
    if (key !== undefined) this.#rememberKey(key, { fingerprint, position, channel: name, timeMs });
    if (channel !== undefined) this.#store(channel, storedRecord, retain);
    stored.push(storedRecord);
    return { kind: 'appended', position };
  }

  #rememberKey(key: string, used: UsedKey): void {
    this.#forgetKey(key); // An expired key would keep its old place in the order.
    this.#keys.set(detachedCopy(key), used);
    this.#keysBytes += keyBytes(key, used.fingerprint);
  }

  #forgetKey(key: string): void {
    const used = this.#keys.get(key);
    if (used === undefined) return;
    this.#keys.delete(key);
    this.#keysBytes -= keyBytes(key, used.fingerprint);
  }

  #channelFor(name: string): MemoryChannel | undefined {
    const known = this.#channels.get(name);
    if (known !== undefined || this.#directory.size >= this.#channelsMax) return known;
    // The channel may have been forgotten. Then only the loss of its prefix is known, and counts as
    // its own.
    const entry = createChannelEntry(name, ++this.#lastChannelId, this.#prefixes.lostThrough(name));
    const created = { entry, events: [], first: 0 };
    this.#directory.add(entry);
    this.#channels.set(name, created);
    return created;
  }

  #store(channel: MemoryChannel, record: StoredRecord, retain: NewRecord['retain']): void {
    const { entry } = channel;
    if (entry.count === 0) this.#emptyChannels.delete(entry);
    if (retain === 'latest') while (entry.count > 0) this.#removeOldest(channel);
    const event: MemoryEvent = { record, channel, removed: false };
    if (entry.count === 0) entry.oldestTimeMs = record.timeMs;
    entry.count++;
    entry.bytes += record.body.byteLength;
    entry.latestPosition = entry.appendedPosition = record.position;
    entry.appendedTimeMs = record.timeMs;
    channel.events.push(event);
    this.#events.push(event);
  }

  #removeOldest(channel: MemoryChannel): Position {
    const { entry } = channel;
    const event = channel.events[channel.first++] as MemoryEvent;
    event.removed = true;
    entry.count--;
    entry.bytes -= event.record.body.byteLength;
    const oldest = channel.events[channel.first];
    entry.oldestTimeMs = oldest?.record.timeMs ?? 0;
    if (oldest === undefined) entry.latestPosition = 0;
    if (channel.first > 64 && channel.first * 2 > channel.events.length) {
      channel.events = channel.events.slice(channel.first);
      channel.first = 0;
    }
    if (++this.#removedEvents > 1024 && this.#removedEvents * 2 > this.#events.length) {
      this.#events = this.#events.filter(({ removed }) => !removed);
      this.#removedEvents = 0;
    }
    return event.record.position;
  }

  #matchingChannels(patterns: readonly string[]): Set<MemoryChannel> {
    const matching = new Set<MemoryChannel>();
    for (const pattern of patterns) {
      const exact = this.#channels.get(pattern);
      if (exact !== undefined) matching.add(exact);
      if (!hasWildcard(pattern)) continue;
      for (const channel of this.#channels.values()) if (matches(pattern, channel.entry.name)) matching.add(channel);
    }
    return matching;
  }

  #page(
    query: ReadQuery,
    source: readonly MemoryEvent[],
    channels: ReadonlySet<MemoryChannel>,
  ): Omit<ReadPage, 'trimmedThrough' | 'corruptThrough'> {
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
      if (isFull || rows++ >= READ_ROWS_MAX)
        return { records, reached: forward ? record.position - 1 : record.position };
      this.#stats.rowsRead++;
      if (!isMatch) continue;
      records.push(record);
      bytes += record.body.byteLength;
    }
    return { records, reached: forward ? through : after };
  }

  #trimmedThrough({ patterns, after }: ReadQuery, channels: ReadonlySet<MemoryChannel>): Position {
    let trimmed = after;
    for (const { entry } of channels) trimmed = Math.max(trimmed, entry.trimmedThrough);
    for (const pattern of patterns)
      if (!this.#channels.has(pattern)) trimmed = Math.max(trimmed, this.#prefixes.lostThrough(pattern));
    return trimmed;
  }

  /** Returns whether there are more. */
  #purgeKeys(nowMs: number): boolean {
    let left = TRIM_EVENTS_MAX;
    // The keys are in the order of use, so the first one that has not expired ends the loop.
    for (const [key, { timeMs }] of this.#keys) {
      if (timeMs + KEY_LIFETIME_MS > nowMs) return false;
      if (left-- === 0) return true;
      this.#forgetKey(key);
    }
    return false;
  }

  /** Returns whether there are more. */
  #forgetChannels(nowMs: number): boolean {
    for (const entry of this.#emptyChannels.takeDue(nowMs, FORGOTTEN_CHANNELS_MAX)) {
      this.#prefixes.raise(prefixOf(entry.name), entry.trimmedThrough);
      this.#channels.delete(entry.name);
      this.#directory.remove(entry);
    }
    return this.#emptyChannels.isDue(nowMs);
  }
}

/**
 * Estimated bytes of a key: its texts, its entry, and its place in the map. The channel holds its
 * own name.
 */
function keyBytes(key: string, fingerprint: string | undefined): number {
  return 200 + 2 * key.length + (fingerprint?.length ?? 0);
}

function exceeds(
  { entry }: MemoryChannel,
  { countMax = Infinity, bytesMax = Infinity, olderThanMs = 0 }: TrimOrder,
): boolean {
  return entry.count > 0 && (entry.count > countMax || entry.bytes > bytesMax || entry.oldestTimeMs < olderThanMs);
}

function eventsOf(channels: ReadonlySet<MemoryChannel>): readonly MemoryEvent[] {
  const [channel] = channels;
  return channel === undefined ? [] : channel.events;
}

/** The index of the first event after a position. */
function firstAfter(source: readonly MemoryEvent[], position: Position): number {
  let low = 0;
  let high = source.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((source[middle] as MemoryEvent).record.position > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
