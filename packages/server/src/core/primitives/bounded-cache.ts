import { detachedCopy } from '../interests/interest.ts';

/**
 * A cache for keys that clients choose, within a bound in bytes. It has two halves: when the newer
 * one is full, the older one is dropped. An entry that is used moves to the newer half. Example:
 * the settings that the rules give a channel.
 */
export class BoundedCache<Value> {
  readonly #halfBytes: number;
  readonly #sizeOf: (value: Value) => number;
  #newer = new Map<string, Value>();
  #older = new Map<string, Value>();
  #newerBytes = 0;
  #olderBytes = 0;
  /**
   * The last entry. The next request is often for the same key: a comparison instead of a look-up.
   */
  #lastKey: string | undefined = undefined;
  #lastValue: Value | undefined = undefined;

  /**
   * @param bytesMax for keys, values and the overhead of their entries
   * @param sizeOf the size of a value, in bytes
   */
  constructor(bytesMax: number, sizeOf: (value: Value) => number) {
    this.#halfBytes = bytesMax / 2;
    this.#sizeOf = sizeOf;
  }

  get bytes(): number {
    return this.#newerBytes + this.#olderBytes;
  }

  get(key: string): Value | undefined {
    if (key === this.#lastKey) return this.#lastValue;
    const value = this.#newer.get(key) ?? this.#promote(key);
    if (value === undefined) return undefined;
    this.#lastKey = key;
    this.#lastValue = value;
    return value;
  }

  /** Stores a value, unless its entry is larger than half of the cache. */
  set(key: string, value: Value): void {
    // A text with a character beyond Latin-1 takes two bytes a character.
    const bytes = ENTRY_BYTES + 2 * key.length + this.#sizeOf(value);
    if (bytes > this.#halfBytes) return;
    if (this.#newerBytes + bytes > this.#halfBytes) {
      this.#older = this.#newer;
      this.#olderBytes = this.#newerBytes;
      this.#newer = new Map();
      this.#newerBytes = 0;
    }
    this.#newerBytes += bytes;
    this.#newer.set(detachedCopy(key), value);
    this.#lastKey = undefined;
    this.#lastValue = undefined;
  }

  clear(): void {
    this.#newer = new Map();
    this.#older = new Map();
    this.#newerBytes = 0;
    this.#olderBytes = 0;
    this.#lastKey = undefined;
    this.#lastValue = undefined;
  }

  #promote(key: string): Value | undefined {
    const value = this.#older.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }
}

/** A place in a map, and the header of a string. */
const ENTRY_BYTES = 80;
