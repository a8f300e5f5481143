import type { ChannelEntry } from './channel-directory.ts';
import { CHANNEL_FORGOTTEN_AFTER_MS } from './log-limits.ts';

/** Channels with a last event in the same minute are forgotten together. */
const SLOT_MS = 60_000;

/**
 * The channels without events, by the minute of their last event. So the channels to forget are
 * found without looking at the others. At most an hour of minutes waits, since older channels are
 * due immediately.
 */
export class EmptyChannels {
  readonly #slots = new Map<number, Slot>();

  add(entry: ChannelEntry): void {
    const number = slotOf(entry);
    const slot = this.#slots.get(number);
    if (slot === undefined) {
      this.#slots.set(number, { entries: new Set([entry]), isOrdered: true });
      return;
    }
    slot.entries.add(entry);
    slot.isOrdered = false;
  }

  /** Must run before the entry's time changes. */
  delete(entry: ChannelEntry): void {
    const number = slotOf(entry);
    const entries = this.#slots.get(number)?.entries;
    if (entries?.delete(entry) === true && entries.size === 0) this.#slots.delete(number);
  }

  /** Whether any channel is due to be forgotten. */
  isDue(nowMs: number): boolean {
    for (const number of this.#slots.keys()) if (isSlotDue(number, nowMs)) return true;
    return false;
  }

  /**
   * Removes and returns channels that are due to be forgotten, at most `limit`. Their order is that
   * of minutes and of their creation, and not of how they became empty: the views of a cluster
   * forget the same.
   */
  takeDue(nowMs: number, limit: number): readonly ChannelEntry[] {
    const taken: ChannelEntry[] = [];
    const due = [...this.#slots.keys()].filter((number) => isSlotDue(number, nowMs)).toSorted(ascending);
    for (const number of due) {
      const slot = this.#slots.get(number) as Slot;
      if (!slot.isOrdered) putInOrder(slot);
      for (const entry of slot.entries) {
        if (taken.length === limit) return taken;
        taken.push(entry);
        slot.entries.delete(entry);
      }
      this.#slots.delete(number);
    }
    return taken;
  }
}

/** The channels of one minute. */
interface Slot {
  entries: Set<ChannelEntry>;
  /** `entries` is in the order of ids, which rise with each new channel. */
  isOrdered: boolean;
}

/** Once for many steps: a slot may have all channels of a log. */
function putInOrder(slot: Slot): void {
  slot.entries = new Set([...slot.entries].toSorted((one, other) => one.id - other.id));
  slot.isOrdered = true;
}

function ascending(one: number, other: number): number {
  return one - other;
}

function slotOf({ appendedTimeMs }: ChannelEntry): number {
  return Math.floor(appendedTimeMs / SLOT_MS);
}

function isSlotDue(number: number, nowMs: number): boolean {
  return (number + 1) * SLOT_MS + CHANNEL_FORGOTTEN_AFTER_MS <= nowMs;
}
