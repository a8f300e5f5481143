import type { Position } from '../../core/ports.ts';
import { NO_POSITION, type Lane } from './lane.ts';
import { storeLane, removeStoredLane } from './lane-persistence.ts';
import type { StoreChange } from './ports.ts';

/**
 * What the store knows of a progress: its cursor, and by themselves the lanes that the cursor has passed. It is brought up to date by a
 * note now and then; what was taken up and done between two notes leaves no trace.
 */
export class Checkpoint {
  readonly #storesOpenLanes: boolean;
  #cursor: Position;
  #nextNumber = 1;
  /** Places of the store that are done with. */
  #closed: Position[] = [];

  /** @param storesOpenLanes false: no lane is kept, and the cursor stays behind whatever is not done */
  constructor(cursor: Position, storesOpenLanes: boolean) {
    this.#cursor = cursor;
    this.#storesOpenLanes = storesOpenLanes;
  }

  /** As it was last noted. */
  get cursor(): Position {
    return this.#cursor;
  }

  /** The number of the note that comes next. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Whether the store has nothing of lanes that are over. */
  get isUpToDate(): boolean {
    return this.#closed.length === 0;
  }

  /** A lane is over. */
  onLaneDone({ storedPosition }: Lane): void {
    if (storedPosition !== NO_POSITION) this.#closed.push(storedPosition);
  }

  /**
   * Writes down what has changed since the last note, so that whoever starts from there repeats what must be and skips nothing.
   * @param gap the lane that the cursor must not pass
   * @param position up to where the lanes, and what is done, are all there is
   * @returns the cursor that goes with it
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
   * Whether the cursor may pass a lane, which then has to stand in the store by itself: when it will take its time. What has just been
   * taken up and goes well is done by the next note. What stands in the store stays there until it is done: a dead letter that is tried
   * again stands nowhere else, and whoever reads the log anew may not mean it any more.
   */
  #isStored(lane: Lane): boolean {
    if (lane.storedPosition === lane.position) return true;
    if (lane.doneThrough < this.#cursor || lane.isHeadDone || lane.backlogAfter !== NO_POSITION) return true;
    if (lane.phase === 'in_flight') return lane.attempts > 1 || lane.startedInCheckpoint < this.#nextNumber;
    return lane.phase === 'waiting' || lane.phase === 'reading' || lane.attempts > 0;
  }
}
