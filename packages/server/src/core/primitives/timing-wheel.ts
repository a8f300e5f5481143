/** What a timing wheel calls when its time has come. */
export interface WheelTimer {
  /** Called once when the time has come; it may schedule itself again. */
  onTimer(): void;
  /** The tick it is due at, 0 when it is not; the wheel's own note. */
  dueTick: number;
  /** The tick at which the wheel will come upon it, 0 when it will not; the wheel's own note. */
  placedTick: number;
  /** Its place among those of that tick; the wheel's own note. */
  placedIndex: number;
}

/**
 * One timer for all: a wheel of slots that turns by one slot a tick. Putting off, the most frequent thing, only moves a note:
 * the item is carried on when the wheel comes upon it.
 */
export class TimingWheel {
  readonly #slots: WheelTimer[][] = Array.from({ length: SLOTS }, () => []);
  #tick = 0;

  /** Ticks since the wheel was made. */
  get tick(): number {
    return this.#tick;
  }

  /** Has `due` called in so many ticks, at least one; what was scheduled before no longer counts. */
  schedule(item: WheelTimer, ticks: number): void {
    item.dueTick = this.#tick + Math.max(1, ticks);
    if (item.placedTick !== 0 && item.placedTick <= item.dueTick) return;
    this.#remove(item);
    this.#place(item);
  }

  /** Takes an item off; nothing of it stays behind. */
  cancel(item: WheelTimer): void {
    item.dueTick = 0;
    this.#remove(item);
  }

  /** Turns by one slot and calls what is due. */
  advance(): void {
    this.#tick++;
    const slot = this.#slots[this.#tick % SLOTS] as WheelTimer[];
    // From the end, and taken off first: what one item does may take off others.
    for (let item = slot.pop(); item !== undefined; item = slot.pop()) {
      item.placedTick = 0;
      if (item.dueTick > this.#tick) {
        this.#place(item);
      } else {
        item.dueTick = 0;
        item.onTimer();
      }
    }
  }

  /** In the slot of its time, or in the farthest one on the way there. */
  #place(item: WheelTimer): void {
    item.placedTick = Math.min(item.dueTick, this.#tick + SLOTS - 1);
    const slot = this.#slots[item.placedTick % SLOTS] as WheelTimer[];
    item.placedIndex = slot.length;
    slot.push(item);
  }

  #remove(item: WheelTimer): void {
    if (item.placedTick === 0) return;
    const slot = this.#slots[item.placedTick % SLOTS] as WheelTimer[];
    const last = slot.pop() as WheelTimer;
    item.placedTick = 0;
    if (last === item) return;
    slot[item.placedIndex] = last;
    last.placedIndex = item.placedIndex;
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
