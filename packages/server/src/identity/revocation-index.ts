export type StoredRevocationKind = 'user' | 'token' | 'key';

export interface RevocationEntry {
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
export class RevocationIndex {
  floor: RevocationEntry = NO_FLOOR;
  readonly #countMax: number;
  /** The oldest first. */
  readonly #byName = new Map<string, RevocationEntry>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): RevocationEntry | undefined {
    return this.#byName.get(name);
  }

  /** Before when this one's credentials are good for nothing; `-Infinity` when they never were taken back. */
  revokedBeforeMs(name: string): number {
    const floorMs = this.floor.issuedBeforeMs;
    if (this.#byName.size === 0) return floorMs;
    const entry = this.#byName.get(name);
    return entry === undefined ? floorMs : Math.max(entry.issuedBeforeMs, floorMs);
  }

  /** What was revoked stays so: an earlier date takes nothing back. @returns those that gave way to the floor */
  put(name: string, { issuedBeforeMs, keptUntilMs }: RevocationEntry): readonly string[] {
    const known = this.#byName.get(name);
    this.#byName.delete(name);
    const evicted = this.#byName.size >= this.#countMax ? this.#raiseFloor() : [];
    this.#byName.set(name, {
      issuedBeforeMs: Math.max(issuedBeforeMs, known?.issuedBeforeMs ?? -Infinity),
      keptUntilMs: Math.max(keptUntilMs, known?.keptUntilMs ?? -Infinity),
    });
    return evicted;
  }

  prune(nowMs: number): void {
    if (this.floor.keptUntilMs < nowMs) this.floor = NO_FLOOR;
    for (const [name, { keptUntilMs }] of this.#byName) if (keptUntilMs < nowMs) this.#byName.delete(name);
  }

  #raiseFloor(): readonly string[] {
    const evicted: string[] = [];
    let { issuedBeforeMs, keptUntilMs } = this.floor;
    for (const [name, entry] of this.#byName) {
      if (evicted.length >= this.#countMax / 10) break;
      issuedBeforeMs = Math.max(issuedBeforeMs, entry.issuedBeforeMs);
      keptUntilMs = Math.max(keptUntilMs, entry.keptUntilMs);
      this.#byName.delete(name);
      evicted.push(name);
    }
    this.floor = { issuedBeforeMs, keptUntilMs };
    return evicted;
  }
}

const NO_FLOOR: RevocationEntry = { issuedBeforeMs: -Infinity, keptUntilMs: -Infinity };
