import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { Fleet } from '../../cluster/fleet.ts';
import type { Journal } from '../../cluster/journal.ts';
import { MemoryFleetServer } from '../../cluster/memory-fleet.ts';
import { MemoryJournalServer } from '../../cluster/memory-journal.ts';
import type { JournaledLog } from '../../cluster/journaled-log.ts';
import { openClusterLog } from '../../cluster/open-cluster-log.ts';
import { MemorySnapshotStore } from '../../cluster/snapshots/memory-snapshot-store.ts';
import type { SnapshotStore } from '../../cluster/snapshots/snapshot-store.ts';
import type { Home, StorageOptions } from '../../home.ts';

export interface TestHub {
  readonly journal: Journal;
  readonly fleet: Fleet;
  readonly home: Home;
  readonly options: StorageOptions;
  readonly channelsMax?: number | undefined;
  readonly snapshots?: SnapshotStore;
  readonly snapshotBytes?: number;
}

/** Opens the log of one hub of a cluster. */
export async function openTestHub({
  journal,
  fleet,
  home,
  options,
  channelsMax = 1_000_000,
  snapshots = new MemorySnapshotStore(),
  snapshotBytes = Infinity,
}: TestHub): Promise<JournaledLog> {
  return openClusterLog({
    ...options,
    journal,
    fleet,
    channelsMax,
    incarnation: randomBytes(8).toString('hex'),
    // A rolled back journal is reported as an error, which some tests expect.
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    openView: () => home.openView(options),
    wipeView: () => home.wipeView(options),
    snapshots,
    copies: await home.viewCopies?.(options),
    snapshotBytes,
  });
}

/** A cluster in this process: a journal, a fleet and snapshots in memory. */
export class MemoryCluster {
  readonly journal = new MemoryJournalServer();
  readonly fleet = new MemoryFleetServer();
  readonly snapshots = new MemorySnapshotStore();

  /** Opens the log of one hub. It is closed when the test ends. */
  async openLog(
    self: string,
    {
      home,
      options,
      snapshotBytes = Infinity,
      channelsMax,
    }: Pick<TestHub, 'home' | 'options' | 'snapshotBytes' | 'channelsMax'>,
    journal: Journal = this.journal.connect(),
  ): Promise<JournaledLog> {
    const { snapshots } = this;
    const log = await openTestHub({
      journal,
      fleet: this.fleet.connect(self),
      home,
      options,
      snapshots,
      channelsMax,
      ...(snapshotBytes !== undefined && { snapshotBytes }),
    });
    onTestFinished(() => log.close());
    return log;
  }
}
