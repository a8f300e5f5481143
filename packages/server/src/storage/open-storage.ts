import { DataFolderError } from '../core/data-folder-error.ts';
import type { IdentityStore } from '../core/access/identity-store.ts';
import type { Log } from '../core/ports.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { SessionJournalStore } from '../core/session-journal/session-journal-store.ts';
import type { InFlightJournal } from '../subscriptions/state/in-flight-journal.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { Home, HubAddress, StorageOptions } from './home.ts';
import type { ClusterSubscriptions } from './cluster/subscriptions/cluster-subscriptions.ts';
import { homeOf } from './homes.ts';
import { memoryHome } from './memory/memory-home.ts';
import { ATTEMPT_BOUNDS, type AttemptBounds } from './shared/attempt-bounds.ts';

/**
 * All data of a hub, as ports. Only this folder distinguishes the homes (`homes.ts`).
 */
export interface Storage {
  readonly log: Log;
  readonly subscriptions: SubscriptionStore;
  /** How the hubs of a cluster share the subscriptions. `undefined` without a cluster. */
  readonly sharedSubscriptions: ClusterSubscriptions | undefined;
  readonly identity: IdentityStore;
  readonly inFlightJournal: InFlightJournal;
  /** Call it once, and only where presence is used: otherwise the folder gets no file for it. */
  openPresence(): PresenceStore;
  /** Call it once, and only where sessions are recorded. */
  openSessionJournal(): SessionJournalStore;
  /** Notes where the hub listens, for the error of another process that finds the data in use. */
  noteAddress(hub: HubAddress): void;
  /**
   * Closes the ports that are still open, and ends the lock last. Their users may have closed some
   * of them before.
   */
  close(): Promise<void>;
}

/** A log that several hubs share, with the identity that they share. */
interface SharedHomeLog extends Log {
  openIdentity(local: IdentityStore): Promise<IdentityStore>;
  openSubscriptions(bounds: AttemptBounds): Promise<ClusterSubscriptions>;
}

/** A hub without a cluster loads neither these modules nor the client of the brokers. */
async function openShared(home: Home, options: StorageOptions): Promise<SharedHomeLog> {
  const { openConfiguredCluster } = await import('./cluster/open-configured-cluster.ts');
  return openConfiguredCluster(home, options);
}

/**
 * The cluster has its own subscriptions. A folder that was not imported may have some, too: no hub
 * uses them.
 */
async function openSharedSubscriptions(
  shared: SharedHomeLog,
  home: Home,
  options: StorageOptions,
): Promise<ClusterSubscriptions> {
  const own = await home.openSubscriptions(options);
  const { length } = own.load().subscriptions;
  await own.close();
  if (length > 0)
    options.logger.warn(
      { subscriptions: length },
      'cluster: subscriptions of the data folder itself are ignored, the cluster has its own',
    );
  return shared.openSubscriptions({ ...ATTEMPT_BOUNDS, ...options.subscriptions });
}

/**
 * The journal of sessions is not worth a hub that does not start: on a full disk it is in memory
 * until the next start.
 * @throws DataFolderError for a file of a newer version
 */
function openJournal(home: Home, options: StorageOptions, epoch: string): SessionJournalStore {
  try {
    return home.openSessionJournal(options, epoch);
  } catch (error) {
    if (!(error instanceof DataFolderError && error.reason === 'inaccessible')) throw error;
    options.logger.warn(
      { error: error.message },
      'session journal: its file cannot be written, sessions are recorded in memory until the next start',
    );
    return memoryHome.openSessionJournal(options, epoch);
  }
}

/**
 * Opens the data of a hub.
 * @param home another home than the one that the setting `data` chooses
 * @throws DataFolderError when the data is in use, damaged, too new, or inaccessible
 */
export async function openStorage(options: StorageOptions, home: Home = homeOf(options.data)): Promise<Storage> {
  const opened: { close(): void | Promise<void> }[] = [];
  const closeAll = async (): Promise<void> => {
    const errors: unknown[] = [];
    for (const port of opened.toReversed()) {
      try {
        await port.close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll());
  try {
    opened.push({ close: home.lock(options) });
    const shared = options.cluster.nats.length > 0 ? await openShared(home, options) : undefined;
    const log = shared ?? (await home.openLog(options));
    opened.push(log);
    const sharedSubscriptions = shared && (await openSharedSubscriptions(shared, home, options));
    const subscriptions = sharedSubscriptions?.store ?? (await home.openSubscriptions(options));
    opened.push(subscriptions);
    const ownIdentity = home.openIdentity(options);
    opened.push(ownIdentity);
    const identity = (await shared?.openIdentity(ownIdentity)) ?? ownIdentity;
    // Last: a start that fails must not leave a journal, which the next process takes for a crash.
    const inFlightJournal = home.openInFlightJournal(options);
    opened.push(inFlightJournal);
    const openPresence = (): PresenceStore => {
      const presence = home.openPresence(options, log.state.epoch);
      opened.push(presence);
      return presence;
    };
    const openSessionJournal = (): SessionJournalStore => {
      const journal = openJournal(home, options, log.state.epoch);
      opened.push({ close: () => journal.close(options.clock.nowMs()) });
      return journal;
    };
    return {
      log,
      subscriptions,
      sharedSubscriptions,
      identity,
      inFlightJournal,
      openPresence,
      openSessionJournal,
      noteAddress: (hub) => home.noteAddress?.(options, hub),
      close,
    };
  } catch (error) {
    await close().catch((closeError: unknown) =>
      options.logger.error({ error: String(closeError) }, 'storage: close failed'),
    );
    throw error;
  }
}
