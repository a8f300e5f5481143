import type { Journal } from '../journal.ts';
import type { ViewCopies } from '../../view/view-copies.ts';
import type { Snapshot, SnapshotStore } from './snapshot-store.ts';

/** The growth is looked at again after this part of it. */
const CHECK_FRACTION = 1 / 8;

export interface SnapshotterParts {
  readonly journal: Pick<Journal, 'extent' | 'idAt' | 'trim'>;
  readonly store: SnapshotStore;
  readonly copies: ViewCopies;
  /** The growth of the journal after which a snapshot is taken: `cluster.snapshotBytes`. */
  readonly growthBytes: number;
  /** The brokers have lost a block of this epoch, which a snapshot has. */
  readonly onLoss: (epoch: string) => Promise<void>;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/**
 * Takes snapshots of this hub's view, and trims the journal. Two snapshots stay. The journal keeps
 * every block from that of the older one on, so a damaged newer one loses nothing. Example: the
 * snapshots are of the blocks 500 and 900, so the journal has block 500 and all later ones.
 */
export class Snapshotter {
  readonly #parts: SnapshotterParts;
  #bytes = 0;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #taken = 0;
  #failed = 0;

  constructor(parts: SnapshotterParts) {
    this.#parts = parts;
  }

  stats(): Readonly<Record<string, number>> {
    return { snapshots: this.#taken, snapshotFailures: this.#failed };
  }

  /** This hub has applied a block, and is the one that trims. */
  onApplied(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#parts.growthBytes * CHECK_FRACTION || this.#running !== undefined || this.#isClosed) return;
    this.#bytes = 0;
    this.#running = this.#takeIfDue().finally(() => (this.#running = undefined));
  }

  /** Resolves when the snapshot that is being taken has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #takeIfDue(): Promise<void> {
    try {
      const usable = await this.#usable();
      if (await this.#isDue(usable[0])) await this.#take(usable);
    } catch (error) {
      if (this.#isClosed) return;
      this.#failed++;
      const { message } = error as Error;
      this.#parts.logger.warn({ error: message }, 'cluster: no snapshot was taken, a later one is tried');
    }
  }

  /** The blocks after the newest snapshot have their share of the journal's bytes. */
  async #isDue(newest: Snapshot | undefined): Promise<boolean> {
    const { first, last, bytes } = await this.#parts.journal.extent();
    const after = newest?.sequence ?? 0;
    const grownBytes = (bytes * (last - after)) / Math.max(1, last - first + 1);
    return grownBytes >= Math.max(this.#parts.growthBytes, newest?.bytes ?? 0);
  }

  async #take(before: readonly Snapshot[]): Promise<void> {
    const { journal, store, copies, logger } = this.#parts;
    const startMs = performance.now();
    logger.info({}, 'cluster: taking a snapshot');
    await store.removeLeftovers();
    const { sequence, id, epoch } = await copies.make();
    let snapshot: Snapshot;
    try {
      snapshot = await store.write({ sequence, id, epoch }, copies.file);
    } finally {
      await copies.discard();
    }
    this.#taken++;
    const [previous, ...outdated] = before;
    for (const each of outdated) await store.remove(each);
    if (previous !== undefined) await journal.trim(previous.sequence);
    const { bytes } = snapshot;
    const ms = Math.round(performance.now() - startMs);
    logger.info({ sequence, bytes, ms, trimmedBefore: previous?.sequence }, 'cluster: took a snapshot');
  }

  /**
   * The snapshots whose block the journal has. After a rollback of the brokers it has others. Such
   * a snapshot may be the only proof of the loss, so it stays until the loss is reported. A broker
   * that is cut off from the others does not know the block of a newer snapshot yet, which
   * stays, too.
   */
  async #usable(): Promise<readonly Snapshot[]> {
    const { journal, store, onLoss } = this.#parts;
    const usable: Snapshot[] = [];
    for (const snapshot of await store.list()) {
      const id = await journal.idAt(snapshot.sequence);
      if (id === snapshot.id) {
        usable.push(snapshot);
        continue;
      }
      if (id === undefined && snapshot.sequence >= (await journal.extent()).first) continue;
      if (id !== undefined) await onLoss(snapshot.epoch);
      await store.remove(snapshot);
    }
    return usable;
  }
}
