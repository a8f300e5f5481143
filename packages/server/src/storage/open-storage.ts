import type { IdentityStore } from '../core/access/identity-store.ts';
import type { Log } from '../core/ports.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { InFlightJournal } from '../subscriptions/state/in-flight-journal.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { StorageOptions } from './home.ts';
import { homeOf } from './homes.ts';

/**
 * All data of a hub, as ports. Only this folder distinguishes the homes: SQLite files, or memory.
 */
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
    const log = await home.openLog(options);
    opened.push(log);
    const subscriptions = await home.openSubscriptions(options);
    opened.push(subscriptions);
    const identity = home.openIdentity(options);
    opened.push(identity);
    // Last: a start that fails must not leave a journal, which the next process takes for a crash.
    const inFlightJournal = home.openInFlightJournal(options);
    opened.push(inFlightJournal);
    const openPresence = (): PresenceStore => {
      const presence = home.openPresence(options, log.state.epoch);
      opened.push(presence);
      return presence;
    };
    return { log, subscriptions, identity, inFlightJournal, openPresence, close };
  } catch (error) {
    await close().catch((closeError: unknown) =>
      options.logger.error({ error: String(closeError) }, 'storage: close failed'),
    );
    throw error;
  }
}
