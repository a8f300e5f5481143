import type { Held } from './byte-budget.ts';

/**
 * What sites show of their users: each text once, however many members have it, and all within a bound in bytes. Example: a user with
 * `{"name":"Ann"}` who is in ten channels holds one value, ten times.
 */
export class PresenceInfos implements Held {
  readonly bytesMax: number;
  readonly #byText = new Map<string, KeptInfo>();
  readonly #byValue = new Map<unknown, KeptInfo>();
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
  hold(info: unknown): unknown {
    if (info === undefined) return undefined;
    const kept = this.#byValue.get(info) ?? this.#keep(JSON.stringify(info), info);
    if (kept === undefined) return undefined;
    kept.holders++;
    return kept.value;
  }

  /** @param value as `hold` gave it */
  release(value: unknown): void {
    const kept = this.#byValue.get(value);
    if (kept === undefined || --kept.holders > 0) return;
    this.#byValue.delete(value);
    this.#byText.delete(kept.text);
    this.#bytes -= bytesOf(kept.text);
  }

  #keep(text: string, value: unknown): KeptInfo | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const bytes = bytesOf(text);
    if (this.#bytes + bytes > this.bytesMax) {
      this.#refused++;
      return undefined;
    }
    const kept = { text, value, holders: 0 };
    this.#bytes += bytes;
    this.#byText.set(text, kept);
    this.#byValue.set(value, kept);
    return kept;
  }
}

interface KeptInfo {
  readonly text: string;
  readonly value: unknown;
  holders: number;
}

/** The text, the value that it stands for, whose objects take several times as much, and two places in maps. */
function bytesOf(text: string): number {
  return 300 + 10 * text.length;
}
