import type { IdentityStore } from '../core/access/identity-store.ts';
import type { Clock, Log, Random } from '../core/ports.ts';
import type { PresenceStore } from '../core/presence/presence-store.ts';
import type { SessionJournalStore } from '../core/session-journal/session-journal-store.ts';
import type { InFlightJournal } from '../subscriptions/state/in-flight-journal.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import type { ViewCopies } from './view/view-copies.ts';
import type { LogView } from './view/log-view.ts';
import type { AttemptBounds } from './shared/attempt-bounds.ts';
import type { JournalSettings } from './shared/ring-bounds.ts';

/** The settings that storage reads, in the sections of the configuration. */
export interface StorageOptions {
  /** The setting `data`: the path of a folder or `:memory:`. */
  readonly data: string;
  readonly limits: { readonly channelsMax: number };
  readonly identity: { readonly auditEntriesMax: number };
  readonly sessions: JournalSettings;
  readonly subscriptions: Pick<AttemptBounds, 'attemptsKept' | 'attemptsKeptMax'>;
  /** The name of a new epoch is derived from time and chance. */
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Pick<Random, 'fraction'>;
  readonly logger: StorageLogger;
  /** The section `cluster`. `nats` is empty for a hub without a cluster. */
  readonly cluster: ClusterSettings;
  /** The largest event that a rule allows. */
  readonly eventBytesMax: number;
}

/** The section `cluster` of the configuration. */
export interface ClusterSettings {
  /** The URLs of the brokers. */
  readonly nats: readonly string[];
  readonly name: string;
  /** The path of a file with credentials. */
  readonly credentials: string | null;
  readonly tls: {
    readonly caFile: string | null;
    readonly certificateFile: string | null;
    readonly keyFile: string | null;
  };
  /**
   * The path of a file with the keys that seal secrets in the journal. `null`: nothing is sealed.
   */
  readonly sealKeyFile: string | null;
  readonly replicas: number;
  /** The growth of the journal after which a snapshot is taken. */
  readonly snapshotBytes: number;
  /** The URLs of the brokers' monitoring ports. */
  readonly monitoring: readonly string[];
}

export interface StorageLogger {
  info(fields: object, message: string): void;
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
  /** Notes where the hub with the lock is. Absent where no other process can find it locked. */
  noteAddress?(options: StorageOptions, hub: HubAddress): void;
  openLog(options: StorageOptions): Promise<Log>;
  /** Opens the view of a journal in the place of a log. */
  openView(options: StorageOptions): Promise<LogView>;
  /** Removes a view that is not open. */
  wipeView(options: StorageOptions): Promise<void>;
  /** Copies of the view. Absent where a view has no file: it always begins with the first block. */
  viewCopies?(options: StorageOptions): Promise<ViewCopies>;
  openSubscriptions(options: StorageOptions): Promise<SubscriptionStore>;
  openIdentity(options: StorageOptions): IdentityStore;
  openPresence(options: StorageOptions, epoch: string): PresenceStore;
  openSessionJournal(options: StorageOptions, epoch: string): SessionJournalStore;
  openInFlightJournal(options: StorageOptions): InFlightJournal;
  /** Absent where the data ends with its hub. */
  readonly stoppedHub?: StoppedHubData;
}

/** Where a hub is, for the error of another process that finds its data in use. */
export interface HubAddress {
  readonly url: string;
  /** The process to stop. With several, it is not the one that has the lock. */
  readonly pid: number;
}

/** Work on data while no hub runs on it. `data` is the setting. */
export interface StoppedHubData {
  /**
   * Gives the log a new epoch.
   * @returns the new epoch
   * @throws DataFolderError, also when a hub runs
   */
  renewEpoch(data: string): string;
  /** Locks the data until `close`. @throws DataFolderError */
  openIdentity(data: string, auditEntriesMax: number): { readonly store: IdentityStore; close(): void };
  /** Removes the log, and nothing else. */
  wipeLog(data: string): Promise<void>;
}
