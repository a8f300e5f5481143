import type { Position, StoredRecord } from '../ports.ts';
import type { OpenEvent, Ordering } from './definition.ts';

/** Events that are open although the cursor has not come to them yet: who reads on from there comes upon them a second time. */
export class Ahead {
  readonly #ordering: Ordering;
  /** In order what comes before an open event is done: all of a channel up to a place is known. */
  readonly #through = new Map<string, Position>();
  /** Else single events are. */
  readonly #single = new Set<Position>();

  constructor(ordering: Ordering) {
    this.#ordering = ordering;
  }

  add({ channel, position }: OpenEvent): void {
    if (this.#ordering === 'per-channel') this.#through.set(channel, position);
    else this.#single.add(position);
  }

  /** Whether an event that is read is known; asked once for each, in the order of the log. */
  holds({ channel, position }: StoredRecord): boolean {
    if (this.#single.size > 0 && this.#single.delete(position)) return true;
    if (this.#through.size === 0) return false;
    const through = this.#through.get(channel);
    if (through === undefined) return false;
    if (through <= position) this.#through.delete(channel);
    return through >= position;
  }
}
