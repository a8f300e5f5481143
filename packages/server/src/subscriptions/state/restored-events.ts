import type { Position, StoredRecord } from '../../core/ports.ts';
import type { OpenEvent } from './definition.ts';

/**
 * Events that are open although the cursor has not come to them yet: who reads on from there comes upon them a second time. What each
 * stands for is told by the event, not by the present order, which may be another one than that in which it was taken up.
 */
export class RestoredEvents {
  /** What comes before the first open event of a channel is done: all of the channel up to a place is known. */
  readonly #throughByChannel = new Map<string, Position>();
  readonly #asidePositions = new Set<Position>();

  add({ channel, position, isAside }: OpenEvent): void {
    if (isAside === true) this.#asidePositions.add(position);
    else this.#throughByChannel.set(channel, Math.max(position, this.#throughByChannel.get(channel) ?? 0));
  }

  /** Whether an event that is read is known; asked once for each, in the order of the log. */
  consume({ channel, position }: StoredRecord): boolean {
    const isKnownAside = this.#asidePositions.size > 0 && this.#asidePositions.delete(position);
    if (this.#throughByChannel.size === 0) return isKnownAside;
    const through = this.#throughByChannel.get(channel);
    if (through === undefined) return isKnownAside;
    if (through <= position) this.#throughByChannel.delete(channel);
    return isKnownAside || through >= position;
  }
}
