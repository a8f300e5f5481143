import type { IdentityStore } from '../core/access/identity-store.ts';
import type { Log } from '../core/ports.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { InFlightJournal } from '../subscriptions/state/in-flight-journal.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { StorageOptions } from './home.ts';
import { homeOf } from './homes.ts';

/** All data of a hub, as ports. Only this folder knows where the data lives. */
export interface Storage {
  readonly log: Log;
  readonly subscriptions: SubscriptionStore;
  readonly identity: IdentityStore;
  readonly inFlightJournal: InFlightJournal;
  /** Call it once, and only where presence is used: otherwise the folder gets no file for it. */
  openPresence(): PresenceStore;
  /**
   * Closes the ports that are still open, and ends the lock last. Their users may have closed some
   * of them before.
   */
  close(): Promise<void>;
}

/**
 * Opens the data of a hub.
 * @throws DataFolderError when the data is in use, damaged, too new, or inaccessible
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const home = homeOf(options.data);
  const open: { close(): void | Promise<void> }[] = [];
  const closeAll = async (): Promise<void> => {
    for (const port of open.toReversed()) await port.close();
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll());
  try {
    open.push({ close: home.lock(options) });
    const log = await home.openLog(options);
    open.push(log);
    const subscriptions = await home.openSubscriptions(options);
    open.push(subscriptions);
    const identity = home.openIdentity(options);
    open.push(identity);
    const inFlightJournal = home.openInFlightJournal(options);
    open.push(inFlightJournal);
    const openPresence = (): PresenceStore => {
      const presence = home.openPresence(options, log.state.epoch);
      open.push(presence);
      return presence;
    };
    return { log, subscriptions, identity, inFlightJournal, openPresence, close };
  } catch (error) {
    await close();
    throw error;
  }
}
