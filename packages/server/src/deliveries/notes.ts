import type { StoreChange, SubscriptionStore } from '../core/subscription/ports.ts';
import type { Line } from './line.ts';

/** How often what has changed is handed to the store. */
const NOTE_INTERVAL_MS = 50;

/** Has noted, now and then, what has changed of the lines that were touched: what came and went in between costs nothing. */
export class Notes {
  readonly #store: SubscriptionStore;
  readonly #touched = new Set<Line>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: SubscriptionStore) {
    this.#store = store;
  }

  touch(line: Line): void {
    this.#touched.add(line);
    this.#timer ??= setTimeout(this.#due, NOTE_INTERVAL_MS);
  }

  /** What there is to say of a line, now. */
  changesOf(line: Line): StoreChange[] {
    const changes: StoreChange[] = [];
    const subscription = line.id;
    const cursor = line.hasProgress ? line.progress.note(subscription, changes) : line.position;
    const { replayOf } = line;
    line.noteHeard();
    if (replayOf !== undefined) {
      const isDone = line.isThrough && (!line.hasProgress || line.progress.size === 0);
      const reached = Math.min(cursor, replayOf.replay.through);
      replayOf.replay = { ...replayOf.replay, lost: line.standing.lost, reached, isDone };
      changes.push(
        isDone
          ? { kind: 'replay_gone', subscription, id: replayOf.replay.id }
          : { kind: 'replay', subscription, replay: replayOf.replay },
      );
      return changes;
    }
    if (cursor !== line.standing.cursor) line.standing = { ...line.standing, cursor };
    const held = line.hasProgress ? line.progress.held() : 0;
    changes.push({ kind: 'standing', subscription, standing: held > 0 ? { ...line.standing, held } : line.standing });
    return changes;
  }

  forget(line: Line): void {
    this.#touched.delete(line);
  }

  /** Everything that was touched, at once. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const line of touched) {
      this.#store.note(this.changesOf(line));
      // Something is still under way, and holds back the cursor: next time it is written down by itself.
      const noted = line.replayOf?.replay.reached ?? line.standing.cursor;
      if (line.hasProgress && line.replayOf === undefined && noted < line.progress.position) this.touch(line);
      else line.rest();
    }
  }

  close(): void {
    this.flush();
    // What has only just been taken up and is still under way is written down by the second one: leases outlive the hub.
    this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #due = (): void => this.flush();
}
