import { detachedCopy } from '../../core/interests/interest.ts';
import type { MemoryUsage } from '../../core/primitives/byte-budget.ts';
import type { Position } from '../../core/ports.ts';
import { KEY_LIFETIME_MS, TRIM_EVENTS_MAX } from '../shared/log-limits.ts';

/** The event of an idempotency key. */
interface UsedKey {
  readonly fingerprint: string | undefined;
  readonly position: Position;
  readonly timeMs: number;
}

/**
 * The idempotency keys of a log in memory, within a bound in bytes. To forget a valid key could
 * publish an event twice, so a new key beyond the bound is refused.
 */
export class MemoryKeys {
  /** In the order of use. */
  readonly #keys = new Map<string, UsedKey>();
  readonly #bytesMax: number;
  #bytes = 0;
  #refused = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#keys.size;
  }

  get memoryUsage(): MemoryUsage {
    return { bytes: this.#bytes, bytesMax: this.#bytesMax, refused: this.#refused };
  }

  /** The event of a key that is still valid. */
  find(key: string, nowMs: number): UsedKey | undefined {
    const used = this.#keys.get(key);
    return used !== undefined && used.timeMs + KEY_LIFETIME_MS > nowMs ? used : undefined;
  }

  /** Whether there is room for a key. An expired one takes its own room again. */
  admit(key: string, fingerprint: string | undefined): boolean {
    if (this.#keys.has(key) || this.#bytes + keyBytes(key, fingerprint) <= this.#bytesMax) return true;
    this.#refused++;
    return false;
  }

  add(key: string, used: UsedKey): void {
    this.#remove(key); // An expired key would keep its old place in the order.
    this.#keys.set(detachedCopy(key), used);
    this.#bytes += keyBytes(key, used.fingerprint);
  }

  /** Removes some of the expired keys. Returns whether there are more. */
  purge(nowMs: number): boolean {
    let left = TRIM_EVENTS_MAX;
    // The keys are in the order of use, so the first one that has not expired ends the loop.
    for (const [key, { timeMs }] of this.#keys) {
      if (timeMs + KEY_LIFETIME_MS > nowMs) return false;
      if (left-- === 0) return true;
      this.#remove(key);
    }
    return false;
  }

  #remove(key: string): void {
    const used = this.#keys.get(key);
    if (used === undefined) return;
    this.#keys.delete(key);
    this.#bytes -= keyBytes(key, used.fingerprint);
  }
}

/** Estimated bytes of a key: its texts, its entry, and its place in the map. */
function keyBytes(key: string, fingerprint: string | undefined): number {
  return 200 + 2 * key.length + (fingerprint?.length ?? 0);
}
