import type { Position } from '../core/ports.ts';
import { FAMILIES_MAX } from './limits.ts';

/** Folded at once when there are too many families, so that putting them in order is seldom needed. */
const FOLDED_SHARE = 0.1;

/**
 * What channels had lost that are forgotten by now: one position for each family, which is the first token of a name.
 * A cursor older than that may be told of a gap in a channel of the same family that it did not mean, and never misses
 * one. All families at or below `rest` are folded into it, the lowest first, so that it hits the oldest cursors only.
 */
export class Families {
  /** All above `rest`. */
  readonly #marks: Map<string, Position>;
  #rest: Position;
  #most: Position;

  constructor(rest: Position = 0, marks: Iterable<readonly [family: string, through: Position]> = []) {
    this.#marks = new Map(marks);
    this.#rest = rest;
    this.#most = rest;
    for (const through of this.#marks.values()) this.#most = Math.max(this.#most, through);
  }

  get rest(): Position {
    return this.#rest;
  }

  /** What forgotten channels had lost that a pattern may have meant, or a name that is not known. */
  through(pattern: string): Position {
    const family = familyOf(pattern);
    return family === '*' || family === '>' ? this.#most : (this.#marks.get(family) ?? this.#rest);
  }

  /** A family has lost events up to a position. */
  raise(family: string, through: Position): void {
    if (through <= (this.#marks.get(family) ?? this.#rest)) return;
    this.#marks.set(family, through);
    this.#most = Math.max(this.#most, through);
    if (this.#marks.size > FAMILIES_MAX) this.#fold();
  }

  /** Families that have lost no more than that are known together from now on. */
  foldThrough(rest: Position): void {
    if (rest <= this.#rest) return;
    this.#rest = rest;
    this.#most = Math.max(this.#most, rest);
    for (const [family, through] of this.#marks) if (through <= rest) this.#marks.delete(family);
  }

  #fold(): void {
    const marks = Float64Array.from(this.#marks.values()).sort();
    this.foldThrough(marks[Math.floor(marks.length * FOLDED_SHARE)] as Position);
  }
}

/** The first token of a channel's name, or of a pattern. */
export function familyOf(name: string): string {
  const end = name.indexOf('.');
  return end < 0 ? name : name.slice(0, end);
}
