import type { Position } from '../../core/ports.ts';
import { PREFIXES_MAX } from './log-limits.ts';

/**
 * The share of prefixes that is merged at once when there are too many, so that sorting is seldom
 * needed.
 */
const MERGED_SHARE = 0.1;

/**
 * The losses of forgotten channels. A loss is the newest position that retention removed. A prefix
 * is the first token of a name, and has the newest loss of its forgotten channels. A cursor before
 * that position may receive a gap for another channel of the same prefix. It never misses a gap.
 * All prefixes with losses up to `othersLostThrough` are merged into it, the oldest first. So
 * merging affects only the oldest cursors.
 *
 * Example: `orders.42` had lost events up to 900, and is forgotten. The prefix `orders` has the
 * loss 900. A reader of `orders.>` at 800 receives a gap.
 *
 * `erasedThrough` is the part of a loss that was an erasure, and gives the gap its reason. Merged
 * prefixes have none.
 */
export class ChannelPrefixes {
  /** All values are above `#othersLostThrough`. */
  readonly #lostThrough: Map<string, Position>;
  /** Of prefixes in `#lostThrough`. */
  readonly #erasedThrough = new Map<string, Position>();
  #othersLostThrough: Position;
  #newestLost: Position;
  #newestErased: Position = 0;

  constructor(othersLostThrough: Position = 0, losses: Iterable<PrefixLoss> = []) {
    this.#lostThrough = new Map();
    for (const [prefix, through, erasedThrough] of losses) {
      this.#lostThrough.set(prefix, through);
      this.#raiseErased(prefix, erasedThrough);
    }
    this.#othersLostThrough = othersLostThrough;
    this.#newestLost = othersLostThrough;
    for (const through of this.#lostThrough.values()) this.#newestLost = Math.max(this.#newestLost, through);
  }

  get othersLostThrough(): Position {
    return this.#othersLostThrough;
  }

  /** The newest loss of forgotten channels that may match a pattern or an unknown name. */
  lostThrough(pattern: string): Position {
    const prefix = prefixOf(pattern);
    return prefix === '*' || prefix === '>'
      ? this.#newestLost
      : (this.#lostThrough.get(prefix) ?? this.#othersLostThrough);
  }

  /**
   * The newest erasure of forgotten channels that may match a pattern or an unknown name; 0: none.
   */
  erasedThrough(pattern: string): Position {
    const prefix = prefixOf(pattern);
    return prefix === '*' || prefix === '>' ? this.#newestErased : (this.#erasedThrough.get(prefix) ?? 0);
  }

  /** Records that a forgotten channel of this prefix had lost events up to a position. */
  raise(prefix: string, through: Position, erasedThrough: Position = 0): void {
    if (through > (this.#lostThrough.get(prefix) ?? this.#othersLostThrough)) {
      this.#lostThrough.set(prefix, through);
      this.#newestLost = Math.max(this.#newestLost, through);
    }
    if (this.#lostThrough.has(prefix)) this.#raiseErased(prefix, erasedThrough);
    if (this.#lostThrough.size > PREFIXES_MAX) this.#mergeOldest();
  }

  /** Merges the prefixes with losses up to this position into `othersLostThrough`. */
  mergeThrough(position: Position): void {
    if (position <= this.#othersLostThrough) return;
    this.#othersLostThrough = position;
    this.#newestLost = Math.max(this.#newestLost, position);
    for (const [prefix, through] of this.#lostThrough)
      if (through <= position) {
        this.#lostThrough.delete(prefix);
        this.#erasedThrough.delete(prefix);
      }
  }

  #raiseErased(prefix: string, erasedThrough: Position): void {
    if (erasedThrough <= (this.#erasedThrough.get(prefix) ?? 0)) return;
    this.#erasedThrough.set(prefix, erasedThrough);
    this.#newestErased = Math.max(this.#newestErased, erasedThrough);
  }

  #mergeOldest(): void {
    const marks = Float64Array.from(this.#lostThrough.values()).sort();
    this.mergeThrough(marks[Math.floor(marks.length * MERGED_SHARE)] as Position);
  }
}

/** The loss of one prefix, as it is stored. */
export type PrefixLoss = readonly [prefix: string, through: Position, erasedThrough: Position];

/** The first token of a channel's name, or of a pattern. */
export function prefixOf(name: string): string {
  const end = name.indexOf('.');
  return end < 0 ? name : name.slice(0, end);
}
