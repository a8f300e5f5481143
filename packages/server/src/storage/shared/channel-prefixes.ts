import type { Position } from '../../core/ports.ts';
import { PREFIXES_MAX } from './log-limits.ts';

/** Folded at once when there are too many families, so that putting them in order is seldom needed. */
const MERGED_SHARE = 0.1;

/**
 * What channels had lost that are forgotten by now: one position for each family, which is the first token of a name.
 * A cursor older than that may be told of a gap in a channel of the same family that it did not mean, and never misses
 * one. All families at or below `rest` are folded into it, the lowest first, so that it hits the oldest cursors only.
 */
export class ChannelPrefixes {
  /** All above `rest`. */
  readonly #lostThrough: Map<string, Position>;
  #othersLostThrough: Position;
  #newestLost: Position;

  constructor(
    othersLostThrough: Position = 0,
    lostThrough: Iterable<readonly [family: string, through: Position]> = [],
  ) {
    this.#lostThrough = new Map(lostThrough);
    this.#othersLostThrough = othersLostThrough;
    this.#newestLost = othersLostThrough;
    for (const through of this.#lostThrough.values()) this.#newestLost = Math.max(this.#newestLost, through);
  }

  get othersLostThrough(): Position {
    return this.#othersLostThrough;
  }

  /** What forgotten channels had lost that a pattern may have meant, or a name that is not known. */
  lostThrough(pattern: string): Position {
    const prefix = prefixOf(pattern);
    return prefix === '*' || prefix === '>'
      ? this.#newestLost
      : (this.#lostThrough.get(prefix) ?? this.#othersLostThrough);
  }

  /** A family has lost events up to a position. */
  raise(prefix: string, through: Position): void {
    if (through <= (this.#lostThrough.get(prefix) ?? this.#othersLostThrough)) return;
    this.#lostThrough.set(prefix, through);
    this.#newestLost = Math.max(this.#newestLost, through);
    if (this.#lostThrough.size > PREFIXES_MAX) this.#mergeOldest();
  }

  /** Families that have lost no more than that are known together from now on. */
  mergeThrough(position: Position): void {
    if (position <= this.#othersLostThrough) return;
    this.#othersLostThrough = position;
    this.#newestLost = Math.max(this.#newestLost, position);
    for (const [prefix, through] of this.#lostThrough) if (through <= position) this.#lostThrough.delete(prefix);
  }

  #mergeOldest(): void {
    const marks = Float64Array.from(this.#lostThrough.values()).sort();
    this.mergeThrough(marks[Math.floor(marks.length * MERGED_SHARE)] as Position);
  }
}

/** The first token of a channel's name, or of a pattern. */
export function prefixOf(name: string): string {
  const end = name.indexOf('.');
  return end < 0 ? name : name.slice(0, end);
}
