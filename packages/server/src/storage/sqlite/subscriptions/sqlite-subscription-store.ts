import { PolycastError } from '@polycast/protocol';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Attempt, DeadLetter, DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type {
  AttemptsQuery,
  ErasedAttempts,
  StoreChange,
  StoredSubscription,
  StoredSubscriptions,
  SubscriptionStore,
} from '../../../subscriptions/state/subscription-store.ts';
import type { Unavailable } from '../failure.ts';
import { Thread } from '../thread.ts';
import { AttemptSampler } from '../../shared/attempt-sampler.ts';
import { ATTEMPT_BOUNDS, type AttemptBounds } from '../../shared/attempt-bounds.ts';
import type { Applied, Loaded, OpenedStore, StoreThreadOptions, StoreRequest } from './messages.ts';
import { StoredOpenEvents } from '../../shared/stored-open-events.ts';
import { PendingChanges, type CommitGroup } from '../../shared/pending-changes.ts';
import { MARK_FILE, SUBSCRIPTIONS_FILE } from './schema.ts';

export interface SqliteSubscriptionStoreOptions {
  /** A data folder that this process has locked. */
  readonly folder: string;
  readonly bounds?: Partial<AttemptBounds>;
  /** Called once when the store cannot be written, and not again before it can. */
  readonly onUnavailable?: (error: unknown) => void;
}

/** Milliseconds that an enqueued change waits for others to share its commit. */
const COMMIT_INTERVAL_MS = 75;
/** Milliseconds between attempts to write to a failing disk. */
const RETRY_INTERVAL_MS = 250;
/** Rows that may wait for the disk: some 40 MB. Beyond it the store is overloaded. */
const PENDING_ROWS_MAX = 100_000;
const LOAD_PAGE_COUNT = 500;

/**
 * Opens `subscriptions.sqlite` in a data folder. SQLite runs in a thread of its own, so the event
 * loop never waits for the disk. The file and its thread begin with the first subscription.
 * @throws DataFolderError for a file that is damaged, foreign or too new
 */
export async function openSubscriptionStore(options: SqliteSubscriptionStoreOptions): Promise<SubscriptionStore> {
  const threadOptions: StoreThreadOptions = {
    file: join(options.folder, SUBSCRIPTIONS_FILE),
    bounds: { ...ATTEMPT_BOUNDS, ...options.bounds },
  };
  const start = (): Thread<StoreRequest> => new Thread('subscription-store', threadOptions);
  const thread = start();
  const isNew = [threadOptions.file, join(options.folder, MARK_FILE)].every((file) => !existsSync(file));
  try {
    if (isNew) return new SqliteSubscriptionStore({ thread, start, opened: EMPTY, stored: [], isNew, ...options });
    const opened = await thread.request<OpenedStore>({ kind: 'open' });
    const stored: StoredSubscription[] = [];
    for (let page: Loaded = [], after = ''; after === '' || page.length === LOAD_PAGE_COUNT;) {
      page = await thread.request<Loaded>({ kind: 'load', after, limit: LOAD_PAGE_COUNT });
      stored.push(...page);
      after = page.at(-1)?.definition.id ?? '-';
    }
    return new SqliteSubscriptionStore({ thread, start, opened, stored, isNew, ...options });
  } catch (error) {
    await thread.close({ kind: 'close' });
    throw error;
  }
}

/** What a folder without the file holds. */
const EMPTY: OpenedStore = { epoch: undefined, lastAttempt: 0, hasLostCommits: false };

interface Parts {
  readonly thread: Thread<StoreRequest>;
  readonly start: () => Thread<StoreRequest>;
  readonly opened: OpenedStore;
  readonly stored: StoredSubscription[];
  /** The folder has no file of the store yet. */
  readonly isNew: boolean;
  readonly onUnavailable?: ((error: unknown) => void) | undefined;
}

/**
 * Group commit: one commit is in flight at a time. Changes that arrive meanwhile form the next one.
 */
class SqliteSubscriptionStore implements SubscriptionStore {
  readonly #start: () => Thread<StoreRequest>;
  readonly #onUnavailable: ((error: unknown) => void) | undefined;
  readonly #openedStore: OpenedStore;
  readonly #storedOpenEvents = new StoredOpenEvents();
  readonly #pending = new PendingChanges(this.#storedOpenEvents);
  readonly #sampler = new AttemptSampler(() => performance.now());
  #thread: Thread<StoreRequest>;
  /**
   * The log's epoch, while the store is new. It is written with the first other change: without
   * subscriptions there is nothing that an epoch would belong to. Undefined once the file exists.
   */
  #beginning: StoreChange[] | undefined;
  #stored: StoredSubscription[];
  #unavailable: Unavailable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isScheduled = false;
  #committing: Promise<void> | undefined;
  /**
   * The file may have commits that no sync has made durable,
   * also those of a process that was killed.
   */
  #isUnsynced: boolean;
  #closing: Promise<void> | undefined;
  readonly #stats = {
    commits: 0,
    commitMsSum: 0,
    changes: 0,
    failures: 0,
    databaseBytes: 0,
    walBytes: 0,
    attempts: 0,
  };

  constructor({ thread, start, opened, stored, isNew, onUnavailable }: Parts) {
    this.#thread = thread;
    if (isNew) this.#beginning = [];
    this.#isUnsynced = !isNew;
    this.#start = start;
    this.#openedStore = opened;
    this.#stored = stored;
    this.#onUnavailable = onUnavailable;
    for (const { definition, open } of stored)
      for (const { position } of open) this.#storedOpenEvents.add(definition.id, position);
  }

  get unavailable(): Unavailable | undefined {
    return this.#unavailable;
  }

  get isOverloaded(): boolean {
    return this.#pending.size > PENDING_ROWS_MAX;
  }

  load(): StoredSubscriptions {
    const subscriptions = this.#stored;
    this.#stored = [];
    return { subscriptions, ...this.#openedStore };
  }

  keepsAttempt(subscription: string, isDelivered: boolean): boolean {
    return this.#sampler.wouldKeep(subscription, isDelivered);
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    if (changes.length === 0 && this.#beginning !== undefined) return Promise.resolve();
    this.#begin();
    const written = this.#pending.write(changes);
    if (this.#committing === undefined && !this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => this.#commit());
    }
    return written;
  }

  enqueue(changes: readonly StoreChange[]): void {
    // Changes after `close` are not stored. The next hub process detects them again.
    if (this.#closing !== undefined) return;
    if (this.#beginning !== undefined && changes.every(({ kind }) => kind === 'epoch'))
      return void this.#beginning.push(...changes);
    this.#begin();
    this.#pending.writeSoon(changes, (attempt) =>
      this.#sampler.keep(attempt.subscription, attempt.outcome === 'delivered'),
    );
    this.#commitIn(this.#unavailable === undefined ? COMMIT_INTERVAL_MS : RETRY_INTERVAL_MS);
  }

  async attempts(query: AttemptsQuery): Promise<readonly Attempt[]> {
    if (this.#beginning !== undefined) return [];
    await this.#flush();
    return this.#thread.request<readonly Attempt[]>({ kind: 'attempts', query });
  }

  async deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    if (this.#beginning !== undefined) return [];
    await this.#flush();
    return this.#thread.request<readonly DeadLetter[]>({ kind: 'dead_letters', subscription, query });
  }

  async eraseAttempts(query: ErasedAttempts): Promise<void> {
    if (this.#beginning !== undefined) return;
    await this.#flush();
    if (this.#unavailable !== undefined) throw new PolycastError(this.#unavailable);
    await this.#thread.request<void>({ kind: 'erase_attempts', query });
  }

  metrics(): Readonly<Record<string, number>> {
    return { ...this.#stats, waiting: this.#pending.size, lostCommits: Number(this.#openedStore.hasLostCommits) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#flush();
    clearTimeout(this.#timer);
    await this.#thread.close({ kind: 'close' });
  }

  /** The next commit creates the file, and starts its thread. */
  #begin(): void {
    if (this.#beginning === undefined) return;
    this.#pending.writeSoon(this.#beginning, () => true);
    this.#beginning = undefined;
  }

  /** Writes all pending changes, if the disk accepts them. */
  async #flush(): Promise<void> {
    // The commit in flight does not include changes that arrived after its start.
    await this.#committing;
    if (!this.#pending.isEmpty) await this.#commit();
  }

  #commitIn(delayMs: number): void {
    if (this.#timer !== undefined || this.#committing !== undefined) return;
    this.#timer = setTimeout(() => this.#commit(), delayMs);
  }

  /** Never rejects. */
  #commit(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isScheduled = false;
    this.#committing ??= this.#commitOnce().then(() => {
      this.#committing = undefined;
      if (this.#pending.isEmpty) return;
      if (this.#pending.isAwaited) void this.#commit();
      else this.#commitIn(this.#unavailable === undefined ? COMMIT_INTERVAL_MS : RETRY_INTERVAL_MS);
    });
    return this.#committing;
  }

  async #commitOnce(): Promise<void> {
    const group = this.#pending.take();
    if (group.changes.length === 0 && !(group.isAwaited && this.#isUnsynced)) return group.settle();
    const startMs = performance.now();
    try {
      await this.#replaceFailedThread();
      const { changes, isAwaited } = group;
      Object.assign(this.#stats, await this.#thread.request<Applied>({ kind: 'apply', changes, isAwaited }));
      this.#onCommitted(group, performance.now() - startMs);
    } catch (error) {
      this.#onCommitFailed(group, error);
    }
  }

  #onCommitted(group: CommitGroup, durationMs: number): void {
    this.#unavailable = undefined;
    this.#isUnsynced = !group.isAwaited;
    this.#stats.commits++;
    this.#stats.commitMsSum += durationMs;
    this.#stats.changes += group.changes.length;
    group.settle();
  }

  #onCommitFailed(group: CommitGroup, error: unknown): void {
    const wasAvailable = this.#unavailable === undefined;
    this.#unavailable = error instanceof PolycastError && error.code === 'log_full' ? 'log_full' : 'log_unavailable';
    this.#stats.failures++;
    group.fail(error);
    if (wasAvailable) this.#onUnavailable?.(error);
  }

  /**
   * Replaces a crashed thread. Its changes are written again, which has no effect if they were
   * stored.
   */
  async #replaceFailedThread(): Promise<void> {
    if (!this.#thread.hasFailed) return;
    const thread = this.#start();
    try {
      await thread.request<OpenedStore>({ kind: 'open' });
    } catch (error) {
      await thread.close({ kind: 'close' });
      throw error;
    }
    this.#thread = thread;
  }
}

function closedError(): PolycastError {
  return new PolycastError('log_unavailable', 'The hub is closing.');
}
