import type { Log, SharedLog } from '../core/ports.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { testStorageOptions } from './test-storage.ts';
import type { Journal } from '../storage/cluster/journal.ts';
import type { MemoryJournal } from '../storage/cluster/memory-journal.ts';
import { HOMES } from '../storage/homes.ts';
import { queryAll, record, text } from '../storage/contract/log/log-fixtures.ts';
import { MemoryCluster } from '../storage/contract/cluster/test-hub.ts';

export const { memory, sqlite } = HOMES as {
  readonly memory: (typeof HOMES)[string];
  readonly sqlite: (typeof HOMES)[string];
};

/** A cluster in this process, whose hubs have views in folders. */
export class TestCluster extends MemoryCluster {
  /** The connections of all hubs, in the order of their starts. */
  readonly connections: MemoryJournal[] = [];

  async open(
    self: string,
    {
      folder = temporaryFolder(),
      home = sqlite,
      snapshotBytes = Infinity,
      channelsMax = 1_000_000,
      wrap = (journal: Journal): Journal => journal,
    } = {},
  ): Promise<Log> {
    const journal = this.journal.connect();
    this.connections.push(journal);
    const options = testStorageOptions(folder);
    return this.openLog(self, { home, options, snapshotBytes, channelsMax }, wrap(journal));
  }
}

export function sharedOf(log: Log): SharedLog {
  return log.shared as SharedLog;
}

export async function textsOf(log: Log): Promise<string[]> {
  return (await log.read(queryAll(log, ['>']))).records.map(({ position, body }) => `${position} ${text(body)}`);
}

export async function reached(log: Log, epoch: string, position: number): Promise<void> {
  await log.reach?.({ epoch, position });
}

/** The growth after which a hub of these tests takes a snapshot. */
export const SNAPSHOT_BYTES = 200_000;

/** Appends until the journal was trimmed again. */
export async function appendUntilTrimmed(cluster: TestCluster, log: Log): Promise<void> {
  const { first } = cluster.journal.extent;
  while (cluster.journal.extent.first === first)
    await log.append([record('a', { body: Buffer.alloc(SNAPSHOT_BYTES / 4) }), record('n', { retain: 'none' })]);
}
