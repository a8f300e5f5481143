import { PolycastError } from '@polycast/protocol';
import { DataFolderError } from '../../core/data-folder-error.ts';
import type { StorageLogger, StorageOptions } from '../home.ts';
import type { BrokerReader } from './cluster-observer.ts';
import type { Fleet } from './fleet.ts';
import { placeOf, type FollowerPlace } from './rollback-check.ts';
import { ChangedAtStartError, JournalError, type Journal } from './journal.ts';
import { createMarks } from './journal-marks.ts';
import { installSnapshot, lostEpochOf, usableSnapshots } from './snapshots/install-snapshot.ts';
import type { Snapshot, SnapshotStore } from './snapshots/snapshot-store.ts';
import { Snapshotter } from './snapshots/snapshotter.ts';
import { epochAfter } from '../shared/epoch-after.ts';
import type { ViewCopies } from '../view/view-copies.ts';
import { JournaledLog } from './journaled-log.ts';
import { BLOCK_FORMAT, commandBytes } from '../view/view-state.ts';
import type { LogView } from '../view/log-view.ts';

/** What the log of a cluster is opened with. */
export interface ClusterLogOptions extends Pick<StorageOptions, 'clock' | 'random'> {
  readonly channelsMax: number;
  readonly journal: Journal;
  readonly fleet: Fleet;
  readonly incarnation: string;
  readonly openView: () => Promise<LogView>;
  /** Removes all that the view has. The view is closed. */
  readonly wipeView: () => Promise<void>;
  /** Whether the view may be built again because those of other hubs differ. Absent: always. */
  readonly mayRebuild?: () => boolean;
  readonly snapshots: SnapshotStore;
  /** Absent where a view has no file. */
  readonly copies: ViewCopies | undefined;
  /** The growth of the journal after which a snapshot is taken. */
  readonly snapshotBytes: number;
  /** Reads the state of the brokers. Absent where the journal has none. */
  readonly brokers?: BrokerReader;
  readonly logger: StorageLogger;
}

/**
 * Opens the view, compares it with the journal, and catches up. A view that the journal contradicts
 * is removed and built again from the journal. The brokers then have lost acknowledged blocks, so
 * the log gets a new epoch.
 * @throws DataFolderError, and ChangedAtStartError where another attempt helps
 */
export async function openClusterLog(options: ClusterLogOptions): Promise<JournaledLog> {
  const { journal, fleet } = options;
  try {
    return await open(options);
  } catch (error) {
    await fleet.close();
    await journal.close();
    throw toFolderError(error);
  }
}

async function open(options: ClusterLogOptions): Promise<JournaledLog> {
  const { journal, incarnation, fleet, logger, snapshots: store, copies, snapshotBytes: growthBytes } = options;
  const { wipeView, mayRebuild = () => true } = options;
  const onLoss = (epoch: string): Promise<void> => (log as JournaledLog).epochs.reportLoss(epoch);
  const snapshotter = copies && new Snapshotter({ journal, store, copies, growthBytes, onLoss, logger });
  const { view, lostEpoch: lostByView, listed } = await openMatchingView(options);
  let log: JournaledLog | undefined;
  try {
    await writeGenesis(options, newEpoch(options, lostByView ?? view.state.epoch));
    log = new JournaledLog({
      ...{ journal, view, fleet, incarnation, snapshotter, logger, brokers: options.brokers, wipeView, mayRebuild },
      newEpoch: (after) => newEpoch(options, after),
    });
    const mark = await log.catchUp();
    const lostBySnapshots = await lostEpochOf(listed, journal, mark);
    const lostEpoch = [lostByView, lostBySnapshots]
      .filter((epoch) => epoch !== undefined)
      .toSorted()
      .at(-1);
    // After brokers were wiped, a block of another hub may have been the first.
    if (log.state.epoch === '') await log.epochs.begin(genesisBytes(options, newEpoch(options, lostEpoch ?? '')));
    const { epoch } = log.state;
    // Another hub may have noticed it first, and the journal has a later epoch by now. An earlier
    // one is back if the lost blocks had the change of the epoch.
    if (lostEpoch !== undefined && epoch <= lostEpoch) await log.epochs.renew(newEpoch(options, lostEpoch));
    return log;
  } catch (error) {
    // The first error says whether another attempt helps.
    await (log === undefined ? view.close() : log.closeUnopened()).catch(() => undefined);
    throw error;
  }
}

/**
 * The view, if the journal continues it. Else it is made from a snapshot, or from the first block.
 * `lostEpoch` is set when the journal contradicts the view: it has lost blocks. `listed` has all
 * snapshots, which may show a loss, too.
 */
async function openMatchingView(options: ClusterLogOptions): Promise<{
  readonly view: LogView;
  readonly lostEpoch: string | undefined;
  readonly listed: readonly Snapshot[];
}> {
  const { journal, openView, wipeView, logger } = options;
  const view = await openView();
  const { sequence, epoch } = view.applied;
  let place: FollowerPlace;
  let listed: readonly Snapshot[];
  let snapshots: readonly Snapshot[];
  try {
    place = await placeOf(view.applied, journal, createMarks(journal, `${options.incarnation}open`));
    listed = await options.snapshots.list().catch((error: unknown) => {
      if (place !== 'followable' || sequence === 0) throw error;
      logger.warn({ error: (error as Error).message }, 'cluster: the snapshots cannot be listed');
      return [];
    });
    snapshots = place === 'followable' && sequence > 0 ? [] : await usableSnapshots(listed, journal);
  } catch (error) {
    await view.close();
    throw error;
  }
  const isStartable = snapshots.length > 0 && options.copies !== undefined;
  if (place === 'followable' && !isStartable) return { view, lostEpoch: undefined, listed };
  await view.close();
  const lostEpoch = place === 'rolled-back' ? epoch : undefined;
  if (lostEpoch !== undefined) {
    const fields = { sequence, last: (await journal.extent()).last, epoch };
    logger.error(
      fields,
      'cluster: the brokers have lost blocks that this hub had applied; new epoch, building the view again',
    );
    // The view alone knows of the loss, so the journal hears of it before the view is removed.
    await orderEpoch(options, epoch);
  }
  if (!(await installSnapshot(options, snapshots))) await wipeView();
  return { view: await openView(), lostEpoch, listed };
}

/** Orders a new epoch. It changes nothing if the journal has another one than `from`. */
async function orderEpoch(options: ClusterLogOptions, from: string): Promise<void> {
  const data = commandBytes({ from, to: newEpoch(options, from) });
  await options.journal.append({ id: `${options.incarnation}epoch-1`, kind: 'epoch', data });
}

/** The first hub of a cluster writes the first block. */
async function writeGenesis(options: ClusterLogOptions, epoch: string): Promise<void> {
  const { journal, incarnation } = options;
  if ((await journal.last()) > 0) return;
  const data = genesisBytes(options, epoch);
  try {
    await journal.append({ id: `${incarnation}genesis-1`, kind: 'genesis', data }, 0);
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'conflict') throw error;
  }
}

function genesisBytes({ channelsMax }: ClusterLogOptions, epoch: string): Uint8Array {
  return commandBytes({ format: BLOCK_FORMAT, epoch, channelsMax });
}

function newEpoch({ clock, random }: ClusterLogOptions, after: string): string {
  return epochAfter(after, clock.nowMs(), random.fraction());
}

/** A journal that does not answer is no defect of this hub: it says so, and can open later. */
function toFolderError(error: unknown): unknown {
  const isRefusal = error instanceof JournalError || error instanceof PolycastError;
  if (!isRefusal || error instanceof ChangedAtStartError) return error;
  return new DataFolderError('inaccessible', `the journal of the cluster cannot be used: ${error.message}`);
}
