/** A timer of a timing wheel. */
export interface WheelTimer {
  /** Called once when the time has come. It may schedule itself again. */
  onTimer(): void;
  /** The tick at which it is due; 0 when it is not. Only the wheel sets it. */
  dueTick: number;
  /** The tick of the slot that holds it; 0 when none does. Only the wheel sets it. */
  placedTick: number;
  /** Its index in that slot. Only the wheel sets it. */
  placedIndex: number;
}

/**
 * One timer for all sessions: a ring of slots that advances by one slot a tick. Each slot holds the
 * timers of one tick. To postpone a timer, the most frequent operation, changes only its `dueTick`.
 * The wheel moves it when it reaches the old slot.
 */
export class TimingWheel {
  readonly #slots: WheelTimer[][] = Array.from({ length: SLOTS }, () => []);
  #tick = 0;

  /** Ticks since the wheel was created. */
  get tick(): number {
    return this.#tick;
  }

  /** Calls `onTimer` after this number of ticks, at least one. It replaces an earlier schedule. */
  schedule(item: WheelTimer, ticks: number): void {
    item.dueTick = this.#tick + Math.max(1, ticks);
    if (item.placedTick !== 0 && item.placedTick <= item.dueTick) return;
    this.#remove(item);
    this.#place(item);
  }

  /** Removes a timer from the wheel. */
  cancel(item: WheelTimer): void {
    item.dueTick = 0;
    this.#remove(item);
  }

  /** Advances by one slot and calls the due timers. */
  advance(): void {
    this.#tick++;
    const slot = this.#slots[this.#tick % SLOTS] as WheelTimer[];
    // From the end, and removed first, because one timer may cancel others.
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

  /** Puts a timer into the slot of its tick, or into the farthest slot on the way there. */
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

/** The duration of a tick in milliseconds. */
export const TICK_MS = 250;

/** The smallest number of ticks that lasts at least `durationMs`. */
export function ticksOf(durationMs: number): number {
  return Math.ceil(durationMs / TICK_MS);
}
