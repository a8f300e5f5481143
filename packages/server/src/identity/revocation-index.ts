import type { StoredRevocation } from '../core/access/identity-store.ts';

export type RevocationEntry = Pick<StoredRevocation, 'issuedBeforeMs' | 'keptUntilMs'>;

/**
 * The revocations of one kind, by name: for example of users, or of tokens. Their number is
 * bounded.
 *
 * Above the bound the oldest tenth is replaced by one date, the floor. All credentials that were
 * issued before the floor are refused, of any name.
 *
 * So a revoked credential is never accepted again, and a new revocation is never refused. A user
 * without a revocation may have to log in again, if the user's credentials are older than the
 * floor.
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

  /** The oldest first, without the floor. */
  entries(): Iterable<[name: string, entry: RevocationEntry]> {
    return this.#byName.entries();
  }

  get(name: string): RevocationEntry | undefined {
    return this.#byName.get(name);
  }

  /**
   * Credentials of this name that were issued before this moment are revoked. `-Infinity`: none
   * are. Milliseconds since 1970.
   */
  revokedBeforeMs(name: string): number {
    const floorMs = this.floor.issuedBeforeMs;
    if (this.#byName.size === 0) return floorMs;
    const entry = this.#byName.get(name);
    return entry === undefined ? floorMs : Math.max(entry.issuedBeforeMs, floorMs);
  }

  /**
   * Adds a revocation. A date never goes back: a later one that is known stays.
   * @returns the names that the floor replaced
   */
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

  /** Like the date of a name, the floor never goes back. */
  putFloor({ issuedBeforeMs, keptUntilMs }: RevocationEntry): void {
    this.floor = {
      issuedBeforeMs: Math.max(issuedBeforeMs, this.floor.issuedBeforeMs),
      keptUntilMs: Math.max(keptUntilMs, this.floor.keptUntilMs),
    };
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
