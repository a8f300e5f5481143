import type { Position } from '../ports.ts';
import { NOTHING, type Lane } from './lane.ts';
import { storeLane, unstoreLane } from './lane-store.ts';
import type { StoreChange } from './ports.ts';

/**
 * What the store knows of a progress: its cursor, and by themselves the lanes that the cursor has passed. It is brought up to date by a
 * note now and then; what was taken up and done between two notes leaves no trace.
 */
export class Ledger {
  readonly #keepsOpen: boolean;
  #cursor: Position;
  #nextNote = 1;
  /** Places of the store that are done with. */
  #closed: Position[] = [];

  /** @param keepsOpen false: no lane is kept, and the cursor stays behind whatever is not done */
  constructor(cursor: Position, keepsOpen: boolean) {
    this.#cursor = cursor;
    this.#keepsOpen = keepsOpen;
  }

  /** As it was last noted. */
  get cursor(): Position {
    return this.#cursor;
  }

  /** The number of the note that comes next. */
  get nextNote(): number {
    return this.#nextNote;
  }

  /** Whether the store has nothing of lanes that are over. */
  get isUpToDate(): boolean {
    return this.#closed.length === 0;
  }

  /** A lane is over. */
  close({ storedPosition }: Lane): void {
    if (storedPosition !== NOTHING) this.#closed.push(storedPosition);
  }

  /**
   * Writes down what has changed since the last note, so that whoever starts from there repeats what must be and skips nothing.
   * @param gap the lane that the cursor must not pass
   * @param position up to where the lanes, and what is done, are all there is
   * @returns the cursor that goes with it
   */
  note(
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
      if (this.#keepsOpen && lane !== gap && this.#isKept(lane)) storeLane(lane, subscription, changes);
      else {
        if (lane.storedPosition !== NOTHING) unstoreLane(lane, subscription, changes);
        cursor = Math.min(cursor, lane.doneThrough);
      }
    }
    this.#nextNote++;
    this.#cursor = Math.max(cursor, this.#cursor);
    return this.#cursor;
  }

  /**
   * Whether the cursor may pass a lane, which then has to stand in the store by itself: when it will take its time. What has just been
   * taken up and goes well is done by the next note. What stands in the store stays there until it is done: a dead letter that is tried
   * again stands nowhere else, and whoever reads the log anew may not mean it any more.
   */
  #isKept(lane: Lane): boolean {
    if (lane.storedPosition === lane.position) return true;
    if (lane.doneThrough < this.#cursor || lane.isHeadDone || lane.backlogAfter !== NOTHING) return true;
    if (lane.phase === 'flying') return lane.attempts > 1 || lane.begunNote < this.#nextNote;
    return lane.phase === 'waiting' || lane.phase === 'reading' || lane.attempts > 0;
  }
}
