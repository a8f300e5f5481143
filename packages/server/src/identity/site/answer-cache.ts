/** An answer, as long as it is of use. */
export interface Kept<Value> {
  readonly key: string;
  /** Whose it is, if it is anybody's. */
  readonly user: string | undefined;
  readonly freshUntilMs: number;
  /** May be put in place of the first while it is past its time. */
  value: Value;
  /** While it is past its time: until when its present value holds. */
  gracedUntilMs: number;
  /** Asked for since it was last looked at for removal. */
  isUsed: boolean;
}

/**
 * Answers by the hash of what was asked. Each can be had until its time and the grace are over. The number is bounded: where one
 * more comes, the oldest goes that was not asked for lately.
 */
export class AnswerCache<Value> {
  readonly #entriesMax: number;
  readonly #graceMs: number;
  readonly #byKey = new Map<string, Kept<Value>>();
  readonly #byUser = new Map<string, Kept<Value> | Set<Kept<Value>>>();

  constructor(entriesMax: number, graceMs: number) {
    this.#entriesMax = entriesMax;
    this.#graceMs = graceMs;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Also one that is past its time, while there is grace. */
  get(key: string, nowMs: number): Kept<Value> | undefined {
    const kept = this.#byKey.get(key);
    if (kept === undefined) return undefined;
    if (nowMs < this.graceEndMs(kept)) {
      kept.isUsed = true;
      return kept;
    }
    this.#remove(kept);
    return undefined;
  }

  graceEndMs({ freshUntilMs }: Kept<Value>): number {
    return freshUntilMs + this.#graceMs;
  }

  set(key: string, user: string | undefined, value: Value, freshUntilMs: number): void {
    this.delete(key);
    if (this.#byKey.size >= this.#entriesMax) this.#makeRoom();
    const kept: Kept<Value> = { key, user, value, freshUntilMs, gracedUntilMs: 0, isUsed: false };
    this.#byKey.set(key, kept);
    if (user === undefined) return;
    const others = this.#byUser.get(user);
    if (others === undefined) this.#byUser.set(user, kept);
    else if (others instanceof Set) others.add(kept);
    else this.#byUser.set(user, new Set([others, kept]));
  }

  delete(key: string): void {
    const kept = this.#byKey.get(key);
    if (kept !== undefined) this.#remove(kept);
  }

  /** Everything that was answered for or about a user. */
  forget(user: string): void {
    const all = this.#byUser.get(user);
    if (all === undefined) return;
    this.#byUser.delete(user);
    for (const { key } of all instanceof Set ? all : [all]) this.#byKey.delete(key);
  }

  /** A Map keeps the order in which its entries came. One that is in use goes to the end of it; the second look finds it unused. */
  #makeRoom(): void {
    for (const kept of this.#byKey.values()) {
      if (!kept.isUsed) return this.#remove(kept);
      kept.isUsed = false;
      this.#byKey.delete(kept.key);
      this.#byKey.set(kept.key, kept);
    }
  }

  #remove(kept: Kept<Value>): void {
    this.#byKey.delete(kept.key);
    if (kept.user === undefined) return;
    const others = this.#byUser.get(kept.user);
    if (!(others instanceof Set)) this.#byUser.delete(kept.user);
    else if (others.delete(kept) && others.size === 0) this.#byUser.delete(kept.user);
  }
}
