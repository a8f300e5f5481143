import { DataFolderError } from '../../../core/data-folder-error.ts';
import type { ViewCopies } from '../../view/view-copies.ts';
import type { Journal } from '../journal.ts';
import type { Snapshot, SnapshotStore } from './snapshot-store.ts';

/** Bytes between two log lines about the progress. */
const PROGRESS_BYTES = 64 * 1024 * 1024;

interface InstallParts {
  readonly journal: Pick<Journal, 'extent' | 'idAt'>;
  readonly snapshots: SnapshotStore;
  readonly copies: ViewCopies | undefined;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** The snapshots of a list that the journal continues, in the order of the list. */
export async function usableSnapshots(
  listed: readonly Snapshot[],
  journal: Pick<Journal, 'idAt'>,
): Promise<readonly Snapshot[]> {
  const usable: Snapshot[] = [];
  for (const snapshot of listed) if ((await journal.idAt(snapshot.sequence)) === snapshot.id) usable.push(snapshot);
  return usable;
}

/**
 * The newest epoch of snapshots whose block the brokers have lost. `undefined`: there are none. A
 * snapshot outlives a rollback that no hub noticed, for example if all hubs were behind it.
 * @param mark the sequence of a mark that was appended after the list was read.
 * 0: there was no room
 */
export async function lostEpochOf(
  listed: readonly Snapshot[],
  journal: Pick<Journal, 'idAt'>,
  mark: number,
): Promise<string | undefined> {
  let lost: string | undefined;
  for (const { sequence, id, epoch } of listed) {
    const idThere = await journal.idAt(sequence);
    const isLost = idThere === undefined ? mark > 0 && sequence >= mark : idThere !== id;
    if (isLost && (lost === undefined || epoch > lost)) lost = epoch;
  }
  return lost;
}

/**
 * Makes a snapshot the view, which is not open: the newest one that is not damaged. `false`: there
 * is none, and the journal has its first block.
 * @throws DataFolderError when there is none, and blocks are missing
 */
export async function installSnapshot(parts: InstallParts, usable: readonly Snapshot[]): Promise<boolean> {
  const { copies, logger } = parts;
  const tried = new Set<string>();
  let untried = usable;
  while (copies !== undefined) {
    for (const snapshot of untried) {
      try {
        await receive(parts, snapshot, copies);
        return true;
      } catch (error) {
        const { message } = error as Error;
        logger.warn(
          { snapshot: snapshot.name, error: message },
          'cluster: the snapshot cannot be used, trying another',
        );
      }
      tried.add(snapshot.name);
    }
    // Meanwhile another hub may have stored a newer one, and removed an older one.
    const listed = await parts.snapshots.list();
    untried = (await usableSnapshots(listed, parts.journal)).filter(({ name }) => !tried.has(name));
    if (untried.length === 0) break;
  }
  const { first } = await parts.journal.extent();
  if (first <= 1) return false;
  const reason =
    copies === undefined
      ? 'data in memory cannot start from a snapshot: set `data` to a folder'
      : 'no snapshot can be used: copy the data folder of another hub that is stopped';
  throw new DataFolderError('inaccessible', `the journal of the cluster begins at block ${first}, and ${reason}`);
}

async function receive({ snapshots, logger }: InstallParts, snapshot: Snapshot, copies: ViewCopies): Promise<void> {
  const { sequence, bytes } = snapshot;
  logger.info({ sequence, bytes }, 'cluster: receiving a snapshot');
  await copies.discard();
  let reported = 0;
  await snapshots.read(snapshot, copies.file, (received) => {
    if (received - reported < PROGRESS_BYTES) return;
    reported = received;
    logger.info({ received, bytes }, 'cluster: receiving a snapshot');
  });
  await copies.install();
}
