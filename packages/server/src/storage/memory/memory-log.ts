import { createEpoch, hasWildcard, matches, PolycastError } from '@polycast/protocol';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import { matchesLatest } from '../../core/events/latest.ts';
import type {
  AppendOutcome,
  ChannelQuery,
  ChannelState,
  CountedPage,
  CountQuery,
  EraseOrder,
  Log,
  LogErasing,
  LogState,
  NewRecord,
  Position,
  ReadPage,
  ReadQuery,
  StoredRecord,
  TrimOrder,
} from '../../core/ports.ts';
import { MemoryKeys } from './memory-keys.ts';
import { firstAfter, pageOf, type MemoryChannel, type MemoryEvent } from './memory-page.ts';
import { ChannelDirectory, createChannelEntry, exceeds, listAll } from '../shared/channel-directory.ts';
import type { ChannelEntry } from '../shared/channel-directory.ts';
import { EmptyChannels } from '../shared/empty-channels.ts';
import { ChannelPrefixes, prefixOf } from '../shared/channel-prefixes.ts';
import { CHANNELS_MAX_DEFAULT, FORGOTTEN_CHANNELS_MAX, KEYS_BYTES_MAX, TRIM_EVENTS_MAX } from '../shared/log-limits.ts';

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

interface PendingAppend {
  readonly records: readonly NewRecord[];
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
}

export class MemoryLog implements Log {
  readonly #epoch: string;
  #channelsMax: number;
  readonly #directory = new ChannelDirectory();
  readonly #channels = new Map<string, MemoryChannel>();
  readonly #keys: MemoryKeys;
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
    this.#keys = new MemoryKeys(keysBytesMax);
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
    const { rows, ...page } = pageOf(bounded, source, channels);
    this.#stats.rowsRead += rows;
    return Promise.resolve({
      ...page,
      ...this.#lossOf(bounded, channels),
      corruptThrough: bounded.after,
    });
  }

  async count(query: CountQuery): Promise<CountedPage> {
    const all = { ...query, direction: 'forward', limit: Infinity, bytesMax: Infinity } as const;
    const { records, ...page } = await this.read(all);
    return { ...page, count: records.length };
  }

  channels(query: ChannelQuery): Promise<readonly ChannelState[]> {
    if (this.#closed) return Promise.reject(closedError());
    return listAll(query, async (rest, progress) => {
      if (progress !== undefined) await new Promise(setImmediate);
      return this.#directory.list(rest, progress);
    });
  }

  trim(orders: readonly TrimOrder[], nowMs: number): Promise<{ removed: number; more: boolean }> {
    return this.#closed ? Promise.reject(closedError()) : Promise.resolve(this.trimStep(orders, nowMs));
  }

  protected trimStep(orders: readonly TrimOrder[], nowMs: number): { removed: number; more: boolean } {
    let left = TRIM_EVENTS_MAX;
    let more = this.#keys.purge(nowMs);
    for (const order of orders) {
      const channel = this.#channels.get(order.channel);
      for (; channel !== undefined && left > 0 && exceeds(channel.entry, order); left--) {
        channel.entry.trimmedThrough = Math.max(channel.entry.trimmedThrough, this.#removeOldest(channel));
        if (channel.entry.count === 0) this.#emptyChannels.add(channel.entry);
      }
      more ||= channel !== undefined && exceeds(channel.entry, order);
    }
    more = this.#forgetChannels(nowMs) || more;
    this.#stats.trimmed += TRIM_EVENTS_MAX - left;
    return { removed: TRIM_EVENTS_MAX - left, more };
  }

  readonly erasing: LogErasing = {
    erase: (order) => (this.#closed ? Promise.reject(closedError()) : Promise.resolve(this.eraseStep(order))),
    overwrite: () => Promise.resolve('done'),
  };

  stats(): Readonly<Record<string, number>> {
    const events = this.#events.length - this.#removedEvents;
    return { ...this.#stats, channels: this.#directory.size, events, keys: this.#keys.size };
  }

  get memoryUsage(): Readonly<Record<'idempotency_keys', MemoryUsage>> {
    return { idempotency_keys: this.#keys.memoryUsage };
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
    this.deliver(stored);
    appends.forEach(({ resolve }, index) => resolve(outcomes[index] as AppendOutcome[]));
  }

  protected get isClosed(): boolean {
    return this.#closed;
  }

  get channelCount(): number {
    return this.#directory.size;
  }

  /** Appends one record for a later `deliver`, with another limit of channels. */
  protected appendWithin(channelsMax: number, record: NewRecord, stored: StoredRecord[]): AppendOutcome {
    this.#channelsMax = channelsMax;
    return this.#appendOne(record, stored);
  }

  /** Counts a commit, and passes its events on. */
  protected deliver(stored: readonly StoredRecord[]): void {
    this.#stats.commits++;
    this.#stats.records += stored.length;
    if (stored.length > 0) this.#listener?.(stored);
  }

  #appendOne(record: NewRecord, stored: StoredRecord[]): AppendOutcome {
    const { channel: name, type, timeMs, body, trace, retain, idempotencyKey: key, fingerprint, ifLatest } = record;
    const used = key === undefined ? undefined : this.#keys.find(key, timeMs);
    if (used !== undefined) {
      if (used.fingerprint !== fingerprint) return { kind: 'key_reused' };
      return { kind: 'duplicate', position: used.position, channel: name, timeMs: used.timeMs };
    }
    const latest = this.#directory.get(name)?.latestPosition ?? 0;
    if (ifLatest !== undefined && !matchesLatest(ifLatest, latest)) return { kind: 'conflict', latest };
    if (key !== undefined && !this.#keys.admit(key, fingerprint)) return { kind: 'key_limit' };
    const channel = retain === 'none' ? undefined : this.#channelFor(name);
    if (channel === undefined && retain !== 'none') return { kind: 'channel_limit' };

    const position = ++this.#head;
    const storedRecord: StoredRecord = { position, channel: name, type, timeMs, body, trace };
    if (key !== undefined) this.#keys.add(key, { fingerprint, position, timeMs });
    if (channel !== undefined) this.#store(channel, storedRecord, retain);
    stored.push(storedRecord);
    return { kind: 'appended', position };
  }

  #channelFor(name: string): MemoryChannel | undefined {
    const known = this.#channels.get(name);
    if (known !== undefined || this.#directory.size >= this.#channelsMax) return known;
    // The channel may have been forgotten. Then only the loss of its prefix is known, and counts as
    // its own.
    const lost = [this.#prefixes.lostThrough(name), this.#prefixes.erasedThrough(name)] as const;
    const entry = createChannelEntry(name, ++this.#lastChannelId, ...lost);
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
    const event = channel.events[channel.first++] as MemoryEvent;
    this.#countRemoved(event);
    if (channel.first > 64 && channel.first * 2 > channel.events.length) {
      channel.events = channel.events.slice(channel.first);
      channel.first = 0;
    }
    return event.record.position;
  }

  protected eraseStep({ positions, channels }: EraseOrder): number {
    let erased = 0;
    for (const position of positions) {
      const event = this.#events[firstAfter(this.#events, position - 1)];
      if (event === undefined || event.removed || event.record.position !== position) continue;
      const { channel } = event;
      channel.events.splice(channel.events.indexOf(event, channel.first), 1);
      this.#countRemoved(event);
      channel.entry.trimmedThrough = Math.max(channel.entry.trimmedThrough, position);
      channel.entry.erasedThrough = Math.max(channel.entry.erasedThrough, position);
      if (channel.entry.count === 0) this.#emptyChannels.add(channel.entry);
      erased++;
    }
    // The list of all events would hold the bodies.
    this.#events = this.#events.filter(({ removed }) => !removed);
    this.#removedEvents = 0;
    for (const name of channels) {
      const entry = this.#directory.get(name);
      if (entry === undefined || entry.count > 0) continue;
      this.#emptyChannels.delete(entry);
      this.#forgetChannel(entry);
    }
    return erased;
  }

  /** The event has left its channel's list. */
  #countRemoved(event: MemoryEvent): void {
    const { entry, events, first } = event.channel;
    event.removed = true;
    entry.count--;
    entry.bytes -= event.record.body.byteLength;
    entry.oldestTimeMs = events[first]?.record.timeMs ?? 0;
    entry.latestPosition = entry.count === 0 ? 0 : (events.at(-1)?.record.position ?? 0);
    if (++this.#removedEvents > 1024 && this.#removedEvents * 2 > this.#events.length) {
      this.#events = this.#events.filter(({ removed }) => !removed);
      this.#removedEvents = 0;
    }
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

  #lossOf(
    { patterns, after }: ReadQuery,
    channels: ReadonlySet<MemoryChannel>,
  ): Pick<ReadPage, 'trimmedThrough' | 'erasedThrough'> {
    let [trimmedThrough, erasedThrough] = [after, after];
    for (const { entry } of channels) {
      trimmedThrough = Math.max(trimmedThrough, entry.trimmedThrough);
      erasedThrough = Math.max(erasedThrough, entry.erasedThrough);
    }
    for (const pattern of patterns) {
      if (this.#channels.has(pattern)) continue;
      trimmedThrough = Math.max(trimmedThrough, this.#prefixes.lostThrough(pattern));
      erasedThrough = Math.max(erasedThrough, this.#prefixes.erasedThrough(pattern));
    }
    return { trimmedThrough, erasedThrough };
  }

  /** Returns whether there are more. */
  #forgetChannels(nowMs: number): boolean {
    for (const entry of this.#emptyChannels.takeDue(nowMs, FORGOTTEN_CHANNELS_MAX)) this.#forgetChannel(entry);
    return this.#emptyChannels.isDue(nowMs);
  }

  #forgetChannel(entry: ChannelEntry): void {
    this.#prefixes.raise(prefixOf(entry.name), entry.trimmedThrough, entry.erasedThrough);
    this.#channels.delete(entry.name);
    this.#directory.remove(entry);
  }
}

function eventsOf(channels: ReadonlySet<MemoryChannel>): readonly MemoryEvent[] {
  const [channel] = channels;
  return channel === undefined ? [] : channel.events;
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
