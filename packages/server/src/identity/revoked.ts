export type StoredKind = 'user' | 'token' | 'key';

export interface Kept {
  /** What was given out before then is revoked. */
  readonly issuedBeforeMs: number;
  /** Until then it has to be known: nothing that it means lives longer. */
  readonly keptUntilMs: number;
}

/**
 * Revocations of one kind, by name, at most so many. When there are more, the oldest tenth gives way to one date for all, the floor:
 * what was given out before it is refused, whoever's it is. So nothing that was taken back comes back, and nobody has to be
 * refused a revocation; those who were meant by none are at the worst asked to log in anew, if their credentials are that old.
 */
export class Revoked {
  floor: Kept = NO_FLOOR;
  readonly #countMax: number;
  /** The oldest first. */
  readonly #byName = new Map<string, Kept>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): Kept | undefined {
    return this.#byName.get(name);
  }

  /** Before when this one's credentials are good for nothing; `-Infinity` when they never were taken back. */
  before(name: string): number {
    const floorMs = this.floor.issuedBeforeMs;
    if (this.#byName.size === 0) return floorMs;
    const kept = this.#byName.get(name);
    return kept === undefined ? floorMs : Math.max(kept.issuedBeforeMs, floorMs);
  }

  /** What was revoked stays so: an earlier date takes nothing back. @returns those that gave way to the floor */
  put(name: string, { issuedBeforeMs, keptUntilMs }: Kept): readonly string[] {
    const kept = this.#byName.get(name);
    this.#byName.delete(name);
    const gone = this.#byName.size >= this.#countMax ? this.#raiseFloor() : [];
    this.#byName.set(name, {
      issuedBeforeMs: Math.max(issuedBeforeMs, kept?.issuedBeforeMs ?? -Infinity),
      keptUntilMs: Math.max(keptUntilMs, kept?.keptUntilMs ?? -Infinity),
    });
    return gone;
  }

  prune(nowMs: number): void {
    if (this.floor.keptUntilMs < nowMs) this.floor = NO_FLOOR;
    for (const [name, { keptUntilMs }] of this.#byName) if (keptUntilMs < nowMs) this.#byName.delete(name);
  }

  #raiseFloor(): readonly string[] {
    const gone: string[] = [];
    let { issuedBeforeMs, keptUntilMs } = this.floor;
    for (const [name, kept] of this.#byName) {
      if (gone.length >= this.#countMax / 10) break;
      issuedBeforeMs = Math.max(issuedBeforeMs, kept.issuedBeforeMs);
      keptUntilMs = Math.max(keptUntilMs, kept.keptUntilMs);
      this.#byName.delete(name);
      gone.push(name);
    }
    this.floor = { issuedBeforeMs, keptUntilMs };
    return gone;
  }
}

const NO_FLOOR: Kept = { issuedBeforeMs: -Infinity, keptUntilMs: -Infinity };
