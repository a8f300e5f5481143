import type { PolycastEvent } from '@polycast/protocol';

/**
 * A sampler decides which live events a person sees. Up to some 100 a second it shows all of them.
 * Beyond that it shows every n-th event, and says so. Example: of 5,000 a second it shows 100, every
 * fiftieth. It counts all of them, and keeps the newest for the export.
 */
export class Sampler {
  readonly #shownPerTick: number;
  readonly #keptMax: number;
  #arrived: PolycastEvent[] = [];
  /** A ring of the newest events. */
  readonly #kept: PolycastEvent[] = [];
  #keptNext = 0;
  /** All events that passed the filter. */
  received = 0;

  constructor(shownPerTick: number, keptMax: number) {
    this.#shownPerTick = shownPerTick;
    this.#keptMax = keptMax;
  }

  add(event: PolycastEvent): void {
    this.received++;
    this.#arrived.push(event);
    this.#kept[this.#keptNext] = event;
    this.#keptNext = (this.#keptNext + 1) % this.#keptMax;
  }

  /** The events to show since the last call, oldest first, and of how many each is one. */
  take(): { readonly events: readonly PolycastEvent[]; readonly oneOf: number } {
    const arrived = this.#arrived;
    this.#arrived = [];
    const oneOf = Math.max(1, Math.ceil(arrived.length / this.#shownPerTick));
    return { events: oneOf === 1 ? arrived : arrived.filter((_, index) => index % oneOf === 0), oneOf };
  }

  /** The newest events, oldest first, as lines of JSON. */
  export(): string {
    const isFull = this.#kept.length === this.#keptMax;
    const ordered = isFull ? [...this.#kept.slice(this.#keptNext), ...this.#kept.slice(0, this.#keptNext)] : this.#kept;
    return ordered.map((event) => `${JSON.stringify(event)}\n`).join('');
  }

  clear(): void {
    this.#arrived = [];
    this.#kept.length = 0;
    this.#keptNext = 0;
    this.received = 0;
  }
}
