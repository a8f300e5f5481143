import { matches } from '@polycast/protocol';
import type { Position } from '../../../../core/ports.ts';
import { SortedNames } from '../../../shared/sorted-names.ts';

/**
 * Bounds of the cache: patterns, and their channels in all. The least recently used patterns are
 * dropped.
 */
const PATTERNS_MAX = 256;
const PATTERN_CHANNELS_MAX = 2_000_000;

/** The channels that a pattern with wildcards matches. */
export interface PatternMatch {
  readonly ids: ReadonlySet<number>;
  /** The newest position that any of the channels has lost. */
  readonly trimmedThrough: Position;
  /** The newest position that an erasure removed from any of the channels. */
  readonly erasedThrough: Position;
}

/** A channel in the reader's memory. */
export interface IndexedChannel {
  /** Rises with each new channel. */
  readonly id: number;
  readonly name: string;
  /** The newest position that the channel has lost. 0 when it has lost none. */
  trimmedThrough: Position;
  /** The newest position that an erasure removed. 0: none. */
  erasedThrough: Position;
}

interface CachedMatch {
  readonly ids: Set<number>;
  /** Channels up to this id have been compared with the pattern. */
  checkedThroughId: number;
  trimmedThrough: Position;
  erasedThrough: Position;
}

/**
 * The channels of recently used patterns. Each channel is compared at most once with each pattern.
 */
export class PatternCache {
  /**
   * In the order of ids. Forgotten channels are removed once they are half of the list, and at
   * least 1,024.
   */
  #channels: IndexedChannel[] = [];
  readonly #forgotten = new Set<IndexedChannel>();
  readonly #sorted = new SortedNames<IndexedChannel>();
  readonly #cached = new Map<string, CachedMatch>();
  #cachedIds = 0;

  /** Ids must rise from one call to the next. */
  add(channel: IndexedChannel): void {
    this.#channels.push(channel);
    this.#sorted.add(channel);
  }

  forget(channel: IndexedChannel): void {
    this.#sorted.delete(channel);
    for (const { ids } of this.#cached.values()) if (ids.delete(channel.id)) this.#cachedIds--;
    this.#forgotten.add(channel);
    if (this.#forgotten.size < 1_024 || this.#forgotten.size * 2 < this.#channels.length) return;
    this.#channels = this.#channels.filter((other) => !this.#forgotten.has(other));
    this.#forgotten.clear();
  }

  /** The channel has lost more events. */
  onTrimmed(channel: IndexedChannel): void {
    for (const cached of this.#cached.values()) if (cached.ids.has(channel.id)) raiseLoss(cached, channel);
  }

  clear(): void {
    this.#channels = [];
    this.#forgotten.clear();
    this.#sorted.clear();
    this.#cached.clear();
    this.#cachedIds = 0;
  }

  /** @param pattern one with wildcards */
  match(pattern: string): PatternMatch {
    const cached: CachedMatch = this.#cached.get(pattern) ?? {
      ids: new Set(),
      checkedThroughId: 0,
      trimmedThrough: 0,
      erasedThrough: 0,
    };
    const before = cached.ids.size;
    this.#update(pattern, cached);
    this.#cachedIds += cached.ids.size - before;
    this.#cached.delete(pattern);
    this.#cached.set(pattern, cached);
    this.#dropLeastRecent();
    return cached;
  }

  #update(pattern: string, cached: CachedMatch): void {
    const newest = this.#channels.at(-1)?.id ?? 0;
    if (newest === cached.checkedThroughId) return;
    const prefix = pattern.slice(0, pattern.search(/[*>]/));
    const addIfMatching = (channel: IndexedChannel): boolean => {
      if (!channel.name.startsWith(prefix)) return false;
      if (!matches(pattern, channel.name)) return true;
      cached.ids.add(channel.id);
      raiseLoss(cached, channel);
      return true;
    };
    // Channels that begin like the pattern are adjacent in the sorted order.
    if (cached.checkedThroughId === 0) {
      this.#sorted.sortAll();
      this.#sorted.visitAfter(prefix, addIfMatching);
    } else this.#visitNewerThan(cached.checkedThroughId, addIfMatching);
    cached.checkedThroughId = newest;
  }

  #visitNewerThan(id: number, visit: (channel: IndexedChannel) => void): void {
    let from = this.#channels.length;
    while (from > 0 && (this.#channels[from - 1] as IndexedChannel).id > id) from--;
    for (; from < this.#channels.length; from++) {
      const channel = this.#channels[from] as IndexedChannel;
      if (!this.#forgotten.has(channel)) visit(channel);
    }
  }

  #dropLeastRecent(): void {
    for (const [pattern, { ids }] of this.#cached) {
      const tooMany = this.#cached.size > PATTERNS_MAX || this.#cachedIds > PATTERN_CHANNELS_MAX;
      if (!tooMany || this.#cached.size === 1) return;
      this.#cached.delete(pattern);
      this.#cachedIds -= ids.size;
    }
  }
}

function raiseLoss(cached: CachedMatch, { trimmedThrough, erasedThrough }: IndexedChannel): void {
  if (trimmedThrough > cached.trimmedThrough) cached.trimmedThrough = trimmedThrough;
  if (erasedThrough > cached.erasedThrough) cached.erasedThrough = erasedThrough;
}
