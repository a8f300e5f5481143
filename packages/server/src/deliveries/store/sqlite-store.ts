import { PolycastError } from '@polycast/protocol';
import { join } from 'node:path';
import type {
  Attempt,
  DeadLetter,
  DeadLettersQuery,
  StoreChange,
  StoredSubscription,
  SubscriptionStore,
} from '../../core/subscription/ports.ts';
import type { Unavailable } from '../../sqlite/failure.ts';
import { Thread } from '../../sqlite/thread.ts';
import { AttemptSamples } from './attempt-samples.ts';
import { ATTEMPT_BOUNDS, type AttemptBounds } from './bounds.ts';
import type { Applied, AttemptsQuery, Loaded, Opened, StoreOptions, StoreRequest } from './messages.ts';
import { OpenOnDisk } from './open-on-disk.ts';
import { PendingChanges, type Group } from './pending-changes.ts';
import { SUBSCRIPTIONS_FILE } from './schema.ts';

export interface SqliteStoreOptions {
  /** A data folder that this process holds. */
  readonly folder: string;
  readonly bounds?: Partial<AttemptBounds>;
  /** Told once when it cannot be written any more, until it can again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** What is noted waits so long for others to share its commit with. */
const COMMIT_INTERVAL_MS = 75;
/** How often a disk that takes nothing is tried again. */
const RETRY_INTERVAL_MS = 250;
/** Rows that wait for the disk: some 40 MB. Beyond it the store is behind. */
const WAITING_MAX = 100_000;
const LOAD_PAGE = 500;

/**
 * Opens `subscriptions.sqlite` in a data folder. SQLite works in a thread of its own, so the event loop waits for no disk.
 * @throws DataFolderError for a file that is damaged, foreign or too new
 */
export async function openSubscriptionStore(options: SqliteStoreOptions): Promise<SubscriptionStore> {
  const threadOptions: StoreOptions = {
    file: join(options.folder, SUBSCRIPTIONS_FILE),
    bounds: { ...ATTEMPT_BOUNDS, ...options.bounds },
  };
  const start = (): Thread<StoreRequest> => new Thread(import.meta.url, './store-worker', threadOptions);
  const thread = start();
  try {
    const opened = await thread.request<Opened>({ kind: 'open' });
    const stored: StoredSubscription[] = [];
    for (let page: Loaded = [], after = ''; after === '' || page.length === LOAD_PAGE;) {
      page = await thread.request<Loaded>({ kind: 'load', after, limit: LOAD_PAGE });
      stored.push(...page);
      after = page.at(-1)?.definition.id ?? '-';
    }
    return new SqliteSubscriptionStore({ thread, start, opened, stored, onTrouble: options.onTrouble });
  } catch (error) {
    await endThread(thread);
    throw error;
  }
}

interface Parts {
  readonly thread: Thread<StoreRequest>;
  readonly start: () => Thread<StoreRequest>;
  readonly opened: Opened;
  readonly stored: StoredSubscription[];
  readonly onTrouble: ((error: unknown) => void) | undefined;
}

/** Group commit: one is on its way at a time, and what comes meanwhile forms the next. */
class SqliteSubscriptionStore implements SubscriptionStore {
  readonly #start: () => Thread<StoreRequest>;
  readonly #onTrouble: ((error: unknown) => void) | undefined;
  readonly #opened: Opened;
  readonly #onDisk = new OpenOnDisk();
  readonly #pending = new PendingChanges(this.#onDisk);
  readonly #samples = new AttemptSamples(() => performance.now());
  #thread: Thread<StoreRequest>;
  #stored: StoredSubscription[];
  #unavailable: Unavailable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isScheduled = false;
  #committing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #figures = {
    commits: 0,
    commitMsSum: 0,
    changes: 0,
    failures: 0,
    databaseBytes: 0,
    walBytes: 0,
    attempts: 0,
  };

  constructor({ thread, start, opened, stored, onTrouble }: Parts) {
    this.#thread = thread;
    this.#start = start;
    this.#opened = opened;
    this.#stored = stored;
    this.#onTrouble = onTrouble;
    for (const { definition, open } of stored)
      for (const { position } of open) this.#onDisk.add(definition.id, position);
  }

  get epoch(): string | undefined {
    return this.#opened.epoch;
  }

  get lastAttempt(): number {
    return this.#opened.lastAttempt;
  }

  get hasLostCommits(): boolean {
    return this.#opened.hasLostCommits;
  }

  get unavailable(): Unavailable | undefined {
    return this.#unavailable;
  }

  get isBehind(): boolean {
    return this.#pending.size > WAITING_MAX;
  }

  load(): Iterable<StoredSubscription> {
    const stored = this.#stored;
    this.#stored = [];
    return stored;
  }

  keepsAttempt(subscription: string, isDelivered: boolean): boolean {
    return this.#samples.wants(subscription, isDelivered);
  }

  write(changes: readonly StoreChange[]): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    const written = this.#pending.write(changes);
    if (this.#committing === undefined && !this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => this.#commit());
    }
    return written;
  }

  note(changes: readonly StoreChange[]): void {
    // What is still told of when the hub has gone is found out again by the next one.
    if (this.#closing !== undefined) return;
    this.#pending.note(changes, (attempt) =>
      this.#samples.takes(attempt.subscription, attempt.outcome === 'delivered'),
    );
    this.#commitIn(this.#unavailable === undefined ? COMMIT_INTERVAL_MS : RETRY_INTERVAL_MS);
  }

  async attempts(query: AttemptsQuery): Promise<readonly Attempt[]> {
    await this.#flush();
    return this.#thread.request<readonly Attempt[]>({ kind: 'attempts', query });
  }

  async deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]> {
    await this.#flush();
    return this.#thread.request<readonly DeadLetter[]>({ kind: 'dead_letters', subscription, query });
  }

  figures(): Readonly<Record<string, number>> {
    return { ...this.#figures, waiting: this.#pending.size, lostCommits: Number(this.hasLostCommits) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#flush();
    clearTimeout(this.#timer);
    await endThread(this.#thread);
  }

  /** Writes what there is, if the disk takes it. */
  async #flush(): Promise<void> {
    // What is under way does not hold what came after it began.
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
    if (group.changes.length === 0) return group.settle();
    const startMs = performance.now();
    try {
      await this.#renewThread();
      const { changes, isAwaited } = group;
      Object.assign(this.#figures, await this.#thread.request<Applied>({ kind: 'apply', changes, isAwaited }));
      this.#noteCommit(group, performance.now() - startMs);
    } catch (error) {
      this.#noteFailure(group, error);
    }
  }

  #noteCommit(group: Group, durationMs: number): void {
    this.#unavailable = undefined;
    this.#figures.commits++;
    this.#figures.commitMsSum += durationMs;
    this.#figures.changes += group.changes.length;
    group.settle();
  }

  #noteFailure(group: Group, error: unknown): void {
    const wasAvailable = this.#unavailable === undefined;
    this.#unavailable = error instanceof PolycastError && error.code === 'log_full' ? 'log_full' : 'log_unavailable';
    this.#figures.failures++;
    group.fail(error);
    if (wasAvailable) this.#onTrouble?.(error);
  }

  /** One that has crashed is replaced: what it was given is written again, which changes nothing if it was written before. */
  async #renewThread(): Promise<void> {
    if (!this.#thread.hasFailed) return;
    const thread = this.#start();
    try {
      await thread.request<Opened>({ kind: 'open' });
    } catch (error) {
      await endThread(thread);
      throw error;
    }
    this.#thread = thread;
  }
}

async function endThread(thread: Thread<StoreRequest>): Promise<void> {
  await thread.request({ kind: 'close' }).catch(() => undefined);
  await thread.ended();
}

function closed(): PolycastError {
  return new PolycastError('log_unavailable', 'The hub is closing.');
}
