import type { PolycastEvent } from '@polycast/protocol';

/**
 * A sampler decides which live events a person sees. Up to some 100 a second it shows all of them.
 * Beyond that it shows every n-th event, and says so. Example: of 5,000 a second it shows 100, every
 * fiftieth. It counts all of them, and stores the newest for the export. While nobody looks, as in a
 * hidden tab or a pause, the older ones leave it.
 */
export class Sampler {
  readonly #shownPerTick: number;
  readonly #keptMax: number;
  /** A ring of the newest events. */
  readonly #kept: PolycastEvent[] = [];
  #keptNext = 0;
  /** The events since the last `take`. */
  #arrivedCount = 0;
  /** All events that passed the filter. */
  received = 0;

  constructor(shownPerTick: number, keptMax: number) {
    this.#shownPerTick = shownPerTick;
    this.#keptMax = keptMax;
  }

  add(event: PolycastEvent): void {
    this.received++;
    this.#arrivedCount++;
    this.#kept[this.#keptNext] = event;
    this.#keptNext = (this.#keptNext + 1) % this.#keptMax;
  }

  /** The events to show since the last call, oldest first, and of how many each is one. */
  take(): { readonly events: readonly PolycastEvent[]; readonly oneOf: number } {
    const arrived = this.#newest(this.#arrivedCount);
    const step = Math.max(1, Math.ceil(arrived.length / this.#shownPerTick));
    const oneOf = Math.max(1, Math.ceil(this.#arrivedCount / this.#shownPerTick));
    this.#arrivedCount = 0;
    return { events: arrived.filter((_, index) => index % step === 0), oneOf };
  }

  /** The newest events, oldest first, as lines of JSON. */
  export(): string {
    return this.#newest(this.#keptMax)
      .map((event) => `${JSON.stringify(event)}\n`)
      .join('');
  }

  clear(): void {
    this.#arrivedCount = 0;
    this.#kept.length = 0;
    this.#keptNext = 0;
    this.received = 0;
  }

  /** At most so many of the newest events, oldest first. */
  #newest(countMax: number): readonly PolycastEvent[] {
    const count = Math.min(countMax, this.#kept.length);
    const start = this.#keptNext - count;
    // The ring's end comes before its beginning.
    return start >= 0
      ? this.#kept.slice(start, this.#keptNext)
      : [...this.#kept.slice(start), ...this.#kept.slice(0, this.#keptNext)];
  }
}
