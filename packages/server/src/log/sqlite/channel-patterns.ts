import { matches } from '@polycast/protocol';
import type { Position } from '../../core/ports.ts';
import { SortedNames } from '../sorted-names.ts';

/** Patterns whose channels are remembered, and how many channels in all: those used least recently are dropped. */
const PATTERNS_MAX = 256;
const PATTERN_CHANNELS_MAX = 2_000_000;

/** What a pattern with wildcards covers. */
export interface Covered {
  readonly ids: ReadonlySet<number>;
  /** The newest position that any of them has lost, forgotten ones included. */
  readonly trimmedThrough: Position;
}

/** A channel, as a reader knows it. */
export interface KnownChannel {
  /** Rises with each new channel. */
  readonly id: number;
  readonly name: string;
  /** The newest position that it has lost; 0 when it has lost none. */
  trimmedThrough: Position;
}

interface Matched {
  readonly ids: Set<number>;
  /** Channels up to this id have been looked at. */
  upTo: number;
  trimmedThrough: Position;
}

/** Which channels the patterns cover that were asked for lately: each channel is looked at at most once for each. */
export class ChannelPatterns {
  /** In order. Forgotten ones go when they are the half of it. */
  #channels: KnownChannel[] = [];
  readonly #forgotten = new Set<KnownChannel>();
  readonly #sorted = new SortedNames<KnownChannel>();
  readonly #matched = new Map<string, Matched>();
  #matchedChannels = 0;

  /** The ids rise from one call to the next. */
  add(channel: KnownChannel): void {
    this.#channels.push(channel);
    this.#sorted.add(channel);
  }

  forget(channel: KnownChannel): void {
    this.#sorted.delete(channel);
    for (const { ids } of this.#matched.values()) if (ids.delete(channel.id)) this.#matchedChannels--;
    this.#forgotten.add(channel);
    if (this.#forgotten.size < 1_024 || this.#forgotten.size * 2 < this.#channels.length) return;
    this.#channels = this.#channels.filter((known) => !this.#forgotten.has(known));
    this.#forgotten.clear();
  }

  /** The channel has lost more. */
  trimmed({ id, trimmedThrough }: KnownChannel): void {
    for (const matched of this.#matched.values())
      if (trimmedThrough > matched.trimmedThrough && matched.ids.has(id)) matched.trimmedThrough = trimmedThrough;
  }

  clear(): void {
    this.#channels = [];
    this.#forgotten.clear();
    this.#sorted.clear();
    this.#matched.clear();
    this.#matchedChannels = 0;
  }

  /** @param pattern one with wildcards */
  covered(pattern: string): Covered {
    const matched: Matched = this.#matched.get(pattern) ?? { ids: new Set(), upTo: 0, trimmedThrough: 0 };
    const before = matched.ids.size;
    this.#look(pattern, matched);
    this.#matchedChannels += matched.ids.size - before;
    this.#matched.delete(pattern);
    this.#matched.set(pattern, matched);
    this.#dropLeastRecent();
    return matched;
  }

  #look(pattern: string, matched: Matched): void {
    const newest = this.#channels.at(-1)?.id ?? 0;
    if (newest === matched.upTo) return;
    const prefix = pattern.slice(0, pattern.search(/[*>]/));
    const look = (channel: KnownChannel): boolean => {
      if (!channel.name.startsWith(prefix)) return false;
      if (!matches(pattern, channel.name)) return true;
      matched.ids.add(channel.id);
      matched.trimmedThrough = Math.max(matched.trimmedThrough, channel.trimmedThrough);
      return true;
    };
    // All those that begin like the pattern stand together.
    if (matched.upTo === 0) this.#sorted.after(prefix, look);
    else this.#newerThan(matched.upTo, look);
    matched.upTo = newest;
  }

  #newerThan(id: number, visit: (channel: KnownChannel) => void): void {
    let from = this.#channels.length;
    while (from > 0 && (this.#channels[from - 1] as KnownChannel).id > id) from--;
    for (; from < this.#channels.length; from++) {
      const channel = this.#channels[from] as KnownChannel;
      if (!this.#forgotten.has(channel)) visit(channel);
    }
  }

  #dropLeastRecent(): void {
    for (const [pattern, { ids }] of this.#matched) {
      const tooMany = this.#matched.size > PATTERNS_MAX || this.#matchedChannels > PATTERN_CHANNELS_MAX;
      if (!tooMany || this.#matched.size === 1) return;
      this.#matched.delete(pattern);
      this.#matchedChannels -= ids.size;
    }
  }
}
