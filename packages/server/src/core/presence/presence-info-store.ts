import type { MemoryUsage } from '../primitives/byte-budget.ts';

/**
 * What sites show of their users: each text once, however many members have it, and all within a bound in bytes. Example: a user with
 * `{"name":"Ann"}` who is in ten channels holds one value, ten times.
 */
export class PresenceInfoStore implements MemoryUsage {
  readonly bytesMax: number;
  readonly #byText = new Map<string, SharedInfo>();
  readonly #byValue = new Map<unknown, SharedInfo>();
  #bytes = 0;
  #refused = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * The one value that stands for what is equal to it, to be released once for each time it was held; `undefined` when there is no room
   * for another.
   * @param info JSON, `undefined` for nothing
   */
  acquire(info: unknown): unknown {
    if (info === undefined) return undefined;
    const shared = this.#byValue.get(info) ?? this.#add(JSON.stringify(info), info);
    if (shared === undefined) return undefined;
    shared.referenceCount++;
    return shared.value;
  }

  /** @param value as `hold` gave it */
  release(value: unknown): void {
    const shared = this.#byValue.get(value);
    if (shared === undefined || --shared.referenceCount > 0) return;
    this.#byValue.delete(value);
    this.#byText.delete(shared.text);
    this.#bytes -= bytesOf(shared.text);
  }

  #add(text: string, value: unknown): SharedInfo | undefined {
    const existing = this.#byText.get(text);
    if (existing !== undefined) return existing;
    const bytes = bytesOf(text);
    if (this.#bytes + bytes > this.bytesMax) {
      this.#refused++;
      return undefined;
    }
    const shared = { text, value, referenceCount: 0 };
    this.#bytes += bytes;
    this.#byText.set(text, shared);
    this.#byValue.set(value, shared);
    return shared;
  }
}

interface SharedInfo {
  readonly text: string;
  readonly value: unknown;
  referenceCount: number;
}

/** The text, the value that it stands for, whose objects take several times as much, and two places in maps. */
function bytesOf(text: string): number {
  return 300 + 10 * text.length;
}
