import type { IdentityStore } from '../core/access/identity-store.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { InFlightJournal } from '../subscriptions/state/in-flight-journal.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { AttemptBounds } from './shared/attempt-bounds.ts';

/** The settings that storage reads, in the sections of the configuration. */
export interface StorageOptions {
  /** The setting `data`: the path of a folder or `:memory:`. */
  readonly data: string;
  readonly limits: { readonly channelsMax: number };
  readonly identity: { readonly auditEntriesMax: number };
  readonly subscriptions: Pick<AttemptBounds, 'attemptsKept' | 'attemptsKeptMax'>;
  /** The name of a new epoch is derived from time and chance. */
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'fraction'>;
  readonly logger: StorageLogger;
}

export interface StorageLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * A home is a place where data can live. Example: `data: ./polycast-data` chooses the home
 * `storage/sqlite`, a folder with SQLite files. `data: :memory:` chooses `storage/memory`.
 *
 * Of the ports that every hub opens, the journal opens last: the next process reads an open journal
 * as a sign of a crash.
 */
export interface Home {
  /**
   * Locks the place for this process, and creates it if needed.
   * @returns ends the lock
   * @throws DataFolderError
   */
  lock(options: StorageOptions): () => void;
  openLog(options: StorageOptions): Promise<Log>;
  openSubscriptions(options: StorageOptions): Promise<SubscriptionStore>;
  openIdentity(options: StorageOptions): IdentityStore;
  openPresence(options: StorageOptions, epoch: string): PresenceStore;
  openInFlightJournal(options: StorageOptions): InFlightJournal;
}
