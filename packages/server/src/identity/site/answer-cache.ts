import { Recent } from '../recent.ts';

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
}

/**
 * Answers by the hash of what was asked. Each can be had until its time and the grace are over. The number is bounded: where one
 * more comes, the one goes that was not asked for for longest.
 */
export class AnswerCache<Value> {
  readonly #graceMs: number;
  readonly #byKey: Recent<Kept<Value>>;
  readonly #byUser = new Map<string, Kept<Value> | Set<Kept<Value>>>();

  constructor(entriesMax: number, graceMs: number) {
    this.#graceMs = graceMs;
    this.#byKey = new Recent(entriesMax, BYTES_MAX);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Also one that is past its time, while there is grace. */
  get(key: string, nowMs: number): Kept<Value> | undefined {
    const kept = this.#byKey.get(key);
    if (kept === undefined) return undefined;
    if (nowMs < this.graceEndMs(kept)) return kept;
    this.#remove(kept);
    return undefined;
  }

  graceEndMs({ freshUntilMs }: Kept<Value>): number {
    return freshUntilMs + this.#graceMs;
  }

  set(key: string, user: string | undefined, value: Value, freshUntilMs: number): void {
    this.delete(key);
    const kept: Kept<Value> = { key, user, value, freshUntilMs, gracedUntilMs: 0 };
    this.#joinUser(kept);
    for (const gone of this.#byKey.set(key, kept, bytesOf(key, value))) this.#leaveUser(gone);
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

  #remove(kept: Kept<Value>): void {
    this.#byKey.delete(kept.key);
    this.#leaveUser(kept);
  }

  #joinUser(kept: Kept<Value>): void {
    if (kept.user === undefined) return;
    const others = this.#byUser.get(kept.user);
    if (others === undefined) this.#byUser.set(kept.user, kept);
    else if (others instanceof Set) others.add(kept);
    else this.#byUser.set(kept.user, new Set([others, kept]));
  }

  #leaveUser(kept: Kept<Value>): void {
    if (kept.user === undefined) return;
    const others = this.#byUser.get(kept.user);
    if (!(others instanceof Set)) this.#byUser.delete(kept.user);
    else if (others.delete(kept) && others.size === 0) this.#byUser.delete(kept.user);
  }
}

/** Answers of one kind, all together: what the site says of a user may be long. */
const BYTES_MAX = 64 * 1024 * 1024;

function bytesOf(key: string, value: unknown): number {
  return 400 + 2 * (key.length + (JSON.stringify(value) ?? '').length);
}
