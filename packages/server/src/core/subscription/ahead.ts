import type { Position, StoredRecord } from '../ports.ts';
import type { OpenEvent } from './definition.ts';

/**
 * Events that are open although the cursor has not come to them yet: who reads on from there comes upon them a second time. What each
 * stands for is told by the event, not by the present order, which may be another one than that in which it was taken up.
 */
export class Ahead {
  /** What comes before the first open event of a channel is done: all of the channel up to a place is known. */
  readonly #through = new Map<string, Position>();
  readonly #single = new Set<Position>();

  add({ channel, position, isAside }: OpenEvent): void {
    if (isAside === true) this.#single.add(position);
    else this.#through.set(channel, Math.max(position, this.#through.get(channel) ?? 0));
  }

  /** Whether an event that is read is known; asked once for each, in the order of the log. */
  holds({ channel, position }: StoredRecord): boolean {
    const isSingle = this.#single.size > 0 && this.#single.delete(position);
    if (this.#through.size === 0) return isSingle;
    const through = this.#through.get(channel);
    if (through === undefined) return isSingle;
    if (through <= position) this.#through.delete(channel);
    return isSingle || through >= position;
  }
}
