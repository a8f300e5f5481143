import type { Position } from '../../../core/ports.ts';
import { NO_POSITION, type Lane } from './lane.ts';
import { storeLane, removeStoredLane } from './lane-persistence.ts';
import type { StoreChange } from '../subscription-store.ts';

/**
 * A checkpoint is the stored progress of a subscription: its cursor, and a row for each open lane
 * that the cursor has passed. `update` brings it up to date now and then. An event that was taken
 * up and done between two checkpoints leaves no row.
 *
 * Example: event 3 waits for its next attempt, and 4 to 9 are done. The checkpoint has the cursor 9
 * and a row for event 3.
 */
export class Checkpoint {
  readonly #storesOpenLanes: boolean;
  #cursor: Position;
  #nextNumber = 1;
  /** Stored positions whose lanes are done; the next checkpoint removes their rows. */
  #closed: Position[] = [];

  /**
   * @param storesOpenLanes false: no lane has a row, and the cursor stays before every open event
   */
  constructor(cursor: Position, storesOpenLanes: boolean) {
    this.#cursor = cursor;
    this.#storesOpenLanes = storesOpenLanes;
  }

  /** The cursor of the last checkpoint. */
  get cursor(): Position {
    return this.#cursor;
  }

  /** The number of the next checkpoint. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** True when the store has no rows of lanes that are done. */
  get isUpToDate(): boolean {
    return this.#closed.length === 0;
  }

  /** Records that a lane is done. */
  onLaneDone({ storedPosition }: Lane): void {
    if (storedPosition !== NO_POSITION) this.#closed.push(storedPosition);
  }

  /**
   * Appends the changes since the last checkpoint. A consumer that starts from there skips no
   * event; it may repeat some.
   * @param gap the lane that the cursor must not pass
   * @param position every event up to here is done or is in `lanes`
   * @returns the cursor of this checkpoint
   */
  update(
    lanes: Iterable<Lane>,
    gap: Lane | undefined,
    position: Position,
    subscription: string,
    changes: StoreChange[],
  ): Position {
    let cursor = position;
    for (const closed of this.#closed) changes.push({ kind: 'closed', subscription, position: closed });
    this.#closed = [];
    for (const lane of lanes) {
      if (this.#storesOpenLanes && lane !== gap && this.#isStored(lane)) storeLane(lane, subscription, changes);
      else {
        if (lane.storedPosition !== NO_POSITION) removeStoredLane(lane, subscription, changes);
        cursor = Math.min(cursor, lane.doneThrough);
      }
    }
    this.#nextNumber++;
    this.#cursor = Math.max(cursor, this.#cursor);
    return this.#cursor;
  }

  /**
   * Whether the cursor may pass a lane, which then needs a row of its own. That is so for lanes
   * that take long; a lane that goes well is done by the next checkpoint. A row stays until its
   * event is done. The row is the only trace of a retried dead letter: the definition may no longer
   * match its event when the log is read again.
   */
  #isStored(lane: Lane): boolean {
    if (lane.storedPosition === lane.position) return true;
    if (lane.doneThrough < this.#cursor || lane.isHeadDone || lane.backlogAfter !== NO_POSITION) return true;
    if (lane.phase === 'in_flight') return lane.attempts > 1 || lane.startedInCheckpoint < this.#nextNumber;
    return lane.phase === 'waiting' || lane.phase === 'reading' || lane.attempts > 0;
  }
}
