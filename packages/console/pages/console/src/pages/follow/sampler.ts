import type { PolycastEvent } from '@polycast/protocol';

/** 16 MB in memory: characters have two bytes there. */
const EXPORTED_BYTES_MAX = 16 * 1024 * 1024;
/** The members of an event that are not its data, as objects and short strings. */
const EVENT_BYTES = 512;

/**
 * A sampler decides which live events a person sees. Up to some 100 a second it shows all of them.
 * Beyond that it shows every n-th event, and says so. Example: of 5,000 a second it shows 100,
 * every fiftieth. It counts all of them, and stores the newest for the export, bounded by count and
 * by bytes. While nobody looks, as in a hidden tab or a pause, the older ones leave it.
 */
export class Sampler {
  readonly #shownPerTick: number;
  readonly #keptMax: number;
  readonly #keptBytesMax: number;
  /** A ring of the newest events, with their sizes. */
  readonly #kept: (Kept | undefined)[] = [];
  #keptNext = 0;
  #keptCount = 0;
  #keptBytes = 0;
  /** The events since the last `take`. */
  #arrivedCount = 0;
  /** All events that passed the filter. */
  received = 0;

  constructor(shownPerTick: number, keptMax: number, keptBytesMax: number = EXPORTED_BYTES_MAX) {
    this.#shownPerTick = shownPerTick;
    this.#keptMax = keptMax;
    this.#keptBytesMax = keptBytesMax;
  }

  /** Events that the export does not have any more. */
  get left(): number {
    return this.received - this.#keptCount;
  }

  add(event: PolycastEvent): void {
    this.received++;
    this.#arrivedCount++;
    if (this.#keptCount === this.#keptMax) this.#dropOldest();
    const bytes = sizeOf(event);
    this.#kept[this.#keptNext] = { event, bytes };
    this.#keptNext = (this.#keptNext + 1) % this.#keptMax;
    this.#keptCount++;
    this.#keptBytes += bytes;
    while (this.#keptBytes > this.#keptBytesMax && this.#keptCount > 1) this.#dropOldest();
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
    this.#keptCount = 0;
    this.#keptBytes = 0;
    this.received = 0;
  }

  #dropOldest(): void {
    const oldest = this.#indexOf(this.#keptCount);
    this.#keptBytes -= this.#kept[oldest]?.bytes ?? 0;
    this.#kept[oldest] = undefined;
    this.#keptCount--;
  }

  /** At most so many of the newest events, oldest first. */
  #newest(countMax: number): readonly PolycastEvent[] {
    const events: PolycastEvent[] = [];
    for (let age = Math.min(countMax, this.#keptCount); age > 0; age--) {
      const kept = this.#kept[this.#indexOf(age)];
      if (kept !== undefined) events.push(kept.event);
    }
    return events;
  }

  /** The place of the event with this age; the newest one has 1. */
  #indexOf(age: number): number {
    return (this.#keptNext - age + this.#keptMax) % this.#keptMax;
  }
}

interface Kept {
  readonly event: PolycastEvent;
  readonly bytes: number;
}

/** The estimated bytes of an event in memory. */
export function sizeOf(event: PolycastEvent): number {
  return EVENT_BYTES + 2 * JSON.stringify(event).length;
}
