/** What a timing wheel calls when its time has come. */
export interface Timed {
  /** Called once when the time has come; it may schedule itself again. */
  due(): void;
  /** The tick it is due at, 0 when it is not; the wheel's own note. */
  dueTick: number;
  /** The tick at which the wheel will come upon it; the wheel's own note. */
  placedTick: number;
}

/**
 * One timer for all: a wheel of slots that turns by one slot a tick. Putting off, the most frequent thing, only moves a note:
 * the item is carried on when the wheel comes upon it.
 */
export class Wheel {
  readonly #slots: Timed[][] = Array.from({ length: SLOTS }, () => []);
  #tick = 0;

  /** Ticks since the wheel was made. */
  get tick(): number {
    return this.#tick;
  }

  /** Has `due` called in so many ticks, at least one; what was scheduled before no longer counts. */
  schedule(item: Timed, ticks: number): void {
    item.dueTick = this.#tick + Math.max(1, ticks);
    if (item.placedTick <= this.#tick || item.placedTick > item.dueTick) this.#place(item);
  }

  /** Takes an item off; its place is emptied when the wheel comes to it. */
  cancel(item: Timed): void {
    item.dueTick = 0;
  }

  /** Turns by one slot and calls what is due. */
  advance(): void {
    this.#tick++;
    const index = this.#tick % SLOTS;
    const slot = this.#slots[index] as Timed[];
    if (slot.length === 0) return;
    this.#slots[index] = [];
    for (const item of slot) {
      if (item.placedTick !== this.#tick || item.dueTick === 0) continue;
      if (item.dueTick > this.#tick) {
        this.#place(item);
      } else {
        item.dueTick = 0;
        item.due();
      }
    }
  }

  /** In the slot of its time, or in the farthest one on the way there. */
  #place(item: Timed): void {
    item.placedTick = Math.min(item.dueTick, this.#tick + SLOTS - 1);
    (this.#slots[item.placedTick % SLOTS] as Timed[]).push(item);
  }
}

/** With four ticks a second: two minutes a turn. */
const SLOTS = 512;

/** How often the wheel turns. */
export const TICK_MS = 250;

/** Whole ticks that last at least so long. */
export function ticksOf(durationMs: number): number {
  return Math.ceil(durationMs / TICK_MS);
}
