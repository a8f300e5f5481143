import type { MemoryUsage } from '../primitives/byte-budget.ts';

/**
 * Stores the infos that sites publish about their users, each text once, within a bound in bytes.
 * Example: a user with `{"name":"Ann"}` in ten channels holds one value ten times.
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
   * The shared value for all equal infos. Release it once for each `acquire`. `undefined` when
   * there is no memory for another value.
   * @param info JSON, `undefined` for none
   */
  acquire(info: unknown): unknown {
    if (info === undefined) return undefined;
    const shared = this.#byValue.get(info) ?? this.#add(JSON.stringify(info), info);
    if (shared === undefined) return undefined;
    shared.referenceCount++;
    return shared.value;
  }

  /** @param value as `acquire` returned it */
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

/**
 * The text, its value, and two places in maps. The objects of the value take several times as much
 * as the text.
 */
function bytesOf(text: string): number {
  return 300 + 10 * text.length;
}
