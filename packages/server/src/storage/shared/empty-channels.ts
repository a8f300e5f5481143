import type { ChannelEntry } from './channel-directory.ts';
import { CHANNEL_FORGOTTEN_AFTER_MS } from './log-limits.ts';

/** Channels with a last event in the same minute are forgotten together. */
const SLOT_MS = 60_000;

/**
 * The channels without events, by the minute of their last event. So the channels to forget are
 * found without looking at the others. At most an hour of minutes waits, since older channels are
 * due at once.
 */
export class EmptyChannels {
  readonly #slots = new Map<number, Set<ChannelEntry>>();

  add(entry: ChannelEntry): void {
    const slot = slotOf(entry);
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, new Set([entry]));
    else entries.add(entry);
  }

  /** Must run before the entry's time changes. */
  delete(entry: ChannelEntry): void {
    const slot = slotOf(entry);
    const entries = this.#slots.get(slot);
    if (entries?.delete(entry) === true && entries.size === 0) this.#slots.delete(slot);
  }

  /** Whether any channel is due to be forgotten. */
  isDue(nowMs: number): boolean {
    for (const slot of this.#slots.keys()) if (isSlotDue(slot, nowMs)) return true;
    return false;
  }

  /** Removes and returns channels that are due to be forgotten, at most `limit`. */
  takeDue(nowMs: number, limit: number): readonly ChannelEntry[] {
    const taken: ChannelEntry[] = [];
    for (const [slot, entries] of this.#slots) {
      if (!isSlotDue(slot, nowMs)) continue;
      for (const entry of entries) {
        if (taken.length === limit) return taken;
        taken.push(entry);
        entries.delete(entry);
      }
      this.#slots.delete(slot);
    }
    return taken;
  }
}

function slotOf({ appendedTimeMs }: ChannelEntry): number {
  return Math.floor(appendedTimeMs / SLOT_MS);
}

function isSlotDue(slot: number, nowMs: number): boolean {
  return (slot + 1) * SLOT_MS + CHANNEL_FORGOTTEN_AFTER_MS <= nowMs;
}
