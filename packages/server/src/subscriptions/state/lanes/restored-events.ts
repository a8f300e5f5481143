import type { Position, StoredRecord } from '../../../core/ports.ts';
import type { OpenEvent } from '../definition.ts';

/**
 * Open events beyond the stored cursor. A consumer that reads on from the cursor finds each of them
 * a second time and must skip it. The event itself says if it is aside or the head of a lane. The
 * present order does not, because it may have changed.
 */
export class RestoredEvents {
  /**
   * For each channel: the position of its lane's head. Every earlier event of the channel is done.
   */
  readonly #throughByChannel = new Map<string, Position>();
  readonly #asidePositions = new Set<Position>();

  add({ channel, position, isAside }: OpenEvent): void {
    if (isAside === true) this.#asidePositions.add(position);
    else this.#throughByChannel.set(channel, Math.max(position, this.#throughByChannel.get(channel) ?? 0));
  }

  /** Whether an event that was read is open already. Called once for each event, in log order. */
  consume({ channel, position }: StoredRecord): boolean {
    const isKnownAside = this.#asidePositions.size > 0 && this.#asidePositions.delete(position);
    if (this.#throughByChannel.size === 0) return isKnownAside;
    const through = this.#throughByChannel.get(channel);
    if (through === undefined) return isKnownAside;
    if (through <= position) this.#throughByChannel.delete(channel);
    return isKnownAside || through >= position;
  }
}
