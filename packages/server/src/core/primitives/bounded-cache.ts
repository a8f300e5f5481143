import { detachedCopy } from '../interests/interest.ts';

/**
 * Remembers what was worked out for texts that others choose, within a bound in bytes. Once a half is full the older half goes;
 * what was used since then is in the newer one. Example: what the rules say of a channel.
 */
export class BoundedCache<Value> {
  readonly #halfBytes: number;
  readonly #sizeOf: (value: Value) => number;
  #newer = new Map<string, Value>();
  #older = new Map<string, Value>();
  #newerBytes = 0;
  #olderBytes = 0;
  /** What was asked for last is often asked for next: a comparison instead of a search. */
  #lastKey: string | undefined = undefined;
  #lastValue: Value | undefined = undefined;

  /**
   * @param bytesMax texts, values, and what it takes to hold them
   * @param sizeOf a value, in bytes
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

  /** What is longer than half of all is not remembered. */
  set(key: string, value: Value): void {
    // A text of which one character is not Latin-1 has two bytes a character.
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

/** A place in a map, and a string's head. */
const ENTRY_BYTES = 80;
