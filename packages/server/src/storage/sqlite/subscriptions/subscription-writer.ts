import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Attempt, DeadLetter, DeadLettersQuery } from '../../../subscriptions/state/ports.ts';
import type {
  AttemptsQuery,
  ErasedAttempts,
  StoreChange,
  StoredSubscription,
} from '../../../subscriptions/state/subscription-store.ts';
import { UnavailableError } from '../failure.ts';
import {
  fileBytes,
  openDatabaseFile,
  wrapCorruptionErrors,
  reopenDatabaseFile,
  type DatabaseFile,
} from '../database-file.ts';
import { AttemptTable } from './attempt-table.ts';
import { CommitCounter } from '../commit-counter.ts';
import { loadSubscriptions, invalidRowError } from './load-subscriptions.ts';
import type { Applied, OpenedStore, StoreThreadOptions } from './messages.ts';
import { APPLICATION_ID, MARK_FILE, MIGRATIONS, PRAGMAS, REPAIR } from './schema.ts';
import { prepare, type Statements } from './statements.ts';

/**
 * The only writer of `subscriptions.sqlite`. It runs in a thread of its own, where it may wait for
 * the disk.
 */
export class SubscriptionWriter {
  readonly opened: OpenedStore;
  readonly #databaseFile: DatabaseFile;
  readonly #options: StoreThreadOptions;
  #database: DatabaseSync;
  #statements: Statements;
  #attempts: AttemptTable;
  /** Ids of existing subscriptions. Changes of other subscriptions have no effect. */
  #subscriptionIds: Set<string>;
  /** Whether a commit waits until the disk has synced it. */
  #isSynchronous = true;
  /** A write has failed. The connection is replaced before its next use. */
  #hasFailed = false;
  readonly #commitCounter: CommitCounter;

  /** @throws DataFolderError */
  constructor(options: StoreThreadOptions) {
    this.#options = options;
    this.#databaseFile = {
      file: options.file,
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      pragmas: PRAGMAS,
      repair: REPAIR,
    };
    this.#database = openDatabaseFile(this.#databaseFile);
    this.#statements = prepare(this.#database);
    this.#attempts = wrapCorruptionErrors(this.#databaseFile, () => new AttemptTable(this.#statements, options.bounds));
    this.#subscriptionIds = wrapCorruptionErrors(this.#databaseFile, () => this.#readSubscriptionIds());
    const epoch = this.#statements.epoch.get() as { epoch: string } | undefined;
    this.#commitCounter = wrapCorruptionErrors(
      this.#databaseFile,
      () => new CommitCounter(options.file, join(dirname(options.file), MARK_FILE), this.#readCount()),
    );
    const { hasLostCommits } = this.#commitCounter;
    this.opened = { epoch: epoch?.epoch, lastAttempt: this.#attempts.lastNumber, hasLostCommits };
  }

  /** A page of all stored subscriptions, in the order of ids. */
  load(after: string, limit: number): readonly StoredSubscription[] {
    return wrapCorruptionErrors(this.#databaseFile, () =>
      loadSubscriptions(this.#statements, this.#databaseFile, after, limit),
    );
  }

  /** Applies all changes in one transaction, or none. @throws UnavailableError */
  apply(changes: readonly StoreChange[], isAwaited: boolean): Applied {
    try {
      if (this.#hasFailed) this.#reopen();
      this.#setSynchronous(isAwaited);
      this.#statements.begin.run();
      for (const change of changes) this.#apply(change);
      this.#attempts.prune();
      this.#statements.countUp.run();
      this.#statements.commit.run();
      if (isAwaited) this.#commitCounter.countDurable();
      else this.#commitCounter.countAndSyncSoon();
    } catch (error) {
      this.#hasFailed = true;
      this.#rollBack();
      throw new UnavailableError(error);
    }
    const { file } = this.#databaseFile;
    return {
      databaseBytes: fileBytes(file),
      walBytes: fileBytes(`${file}-wal`),
      attempts: this.#attempts.count,
    };
  }

  attempts(query: AttemptsQuery): readonly Attempt[] {
    return this.#readOrReopen(() => this.#attempts.list(query));
  }

  deadLetters(subscription: string, { after, limit }: DeadLettersQuery): readonly DeadLetter[] {
    const { epoch, position } = after ?? { epoch: '', position: 0 };
    return this.#readOrReopen(
      () => this.#statements.deadLetters.all(subscription, epoch, position, limit) as unknown as DeadLetter[],
    );
  }

  /** Deletes attempts, and empties the write-ahead log. @throws UnavailableError */
  eraseAttempts({ epoch, positions, texts }: ErasedAttempts): void {
    try {
      if (this.#hasFailed) this.#reopen();
      this.#setSynchronous(true);
      this.#statements.begin.run();
      this.#attempts.erase(epoch, positions, texts);
      this.#statements.countUp.run();
      this.#statements.commit.run();
      this.#commitCounter.countDurable();
      this.#statements.emptyWal.get();
    } catch (error) {
      this.#hasFailed = true;
      this.#rollBack();
      throw new UnavailableError(error);
    }
  }

  close(): void {
    this.#commitCounter.beforeClose();
    this.#closeDatabase();
    this.#commitCounter.afterClose();
  }

  #closeDatabase(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #readOrReopen<Result>(read: () => Result): Result {
    try {
      if (this.#hasFailed) this.#reopen();
      return read();
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #readSubscriptionIds(): Set<string> {
    return new Set((this.#statements.ids.all() as unknown as { id: string }[]).map(({ id }) => id));
  }

  #readCount(): number {
    const row = this.#statements.committed.get() as { count: number } | undefined;
    if (row === undefined) throw invalidRowError(this.#databaseFile, 'no count of its transactions');
    return row.count;
  }

  #setSynchronous(isSynchronous: boolean): void {
    if (this.#isSynchronous === isSynchronous) return;
    // A commit without a sync is consistent all the same: a power loss takes it back as a whole.
    this.#database.exec(`PRAGMA synchronous = ${isSynchronous ? 'FULL' : 'NORMAL'}`);
    this.#isSynchronous = isSynchronous;
  }

  #reopen(): void {
    this.#closeDatabase();
    this.#database = reopenDatabaseFile(this.#databaseFile);
    this.#isSynchronous = true;
    this.#statements = prepare(this.#database);
    this.#attempts = new AttemptTable(this.#statements, this.#options.bounds);
    this.#subscriptionIds = this.#readSubscriptionIds();
    this.#commitCounter.onReopen(this.#readCount());
    this.#hasFailed = false;
  }

  #rollBack(): void {
    try {
      if (this.#database.isOpen && this.#database.isTransaction) this.#statements.rollback.run();
    } catch {
      // The connection is replaced before its next use. Its transaction ends with it.
    }
  }

  #apply(change: StoreChange): void {
    const statements = this.#statements;
    if (change.kind === 'epoch') return void statements.putEpoch.run(change.epoch);
    if (change.kind === 'definition') {
      const { definition } = change;
      this.#subscriptionIds.add(definition.id);
      return void statements.putDefinition.run(definition.id, definition.version, JSON.stringify(definition));
    }
    if (change.kind === 'attempt') {
      if (this.#subscriptionIds.has(change.attempt.subscription)) this.#attempts.put(change.attempt);
      return;
    }
    if (change.kind === 'dead_letter') {
      const { subscription, epoch, position, channel, attempts, sinceMs, outcome, detail } = change.deadLetter;
      if (!this.#subscriptionIds.has(subscription)) return;
      return void statements.putDeadLetter.run(
        subscription,
        epoch,
        position,
        channel,
        attempts,
        Math.round(sinceMs),
        outcome,
        detail,
      );
    }
    if (this.#subscriptionIds.has(change.subscription)) this.#applyTo(change.subscription, change);
  }

  #applyTo(subscription: string, change: Exclude<StoreChange, { kind: KindWithoutSubscription }>): void {
    const statements = this.#statements;
    switch (change.kind) {
      case 'status': {
        const { state, reason, sinceMs, cursor, failingSinceMs, restUntilMs, lost, held } = change.status;
        const failingMs = failingSinceMs === undefined ? null : Math.round(failingSinceMs);
        return void statements.putStatus.run(
          subscription,
          state,
          reason,
          Math.round(sinceMs),
          cursor,
          failingMs,
          lost?.epoch ?? null,
          lost?.position ?? null,
          restUntilMs === undefined ? null : Math.round(restUntilMs),
          held ?? null,
        );
      }
      case 'open': {
        const { position, channel, attempts, dueMs, lease, heldAfter, isAside } = change.event;
        return void statements.putOpen.run(
          subscription,
          position,
          channel,
          attempts,
          Math.round(dueMs),
          lease ?? null,
          heldAfter ?? null,
          isAside === true ? 1 : 0,
        );
      }
      case 'closed':
        return void statements.dropOpen.run(subscription, change.position);
      case 'replay': {
        const { id, after, channel, through, reached, isDone, lost } = change.replay;
        return void statements.putReplay.run(
          subscription,
          id,
          after,
          channel ?? null,
          through,
          reached,
          isDone ? 1 : 0,
          lost?.epoch ?? null,
          lost?.position ?? null,
        );
      }
      case 'replay_gone':
        return void statements.dropReplay.run(subscription, change.id);
      case 'dead_letter_gone':
        return void statements.dropDeadLetter.run(subscription, change.epoch, change.position);
      case 'removed':
        this.#subscriptionIds.delete(subscription);
        this.#attempts.forget(subscription);
        for (const drop of REMOVALS) statements[drop].run(subscription);
    }
  }
}

/** Kinds of changes without `subscription` at their top level. */
type KindWithoutSubscription = 'epoch' | 'definition' | 'attempt' | 'dead_letter';

const REMOVALS = [
  'removeDefinition',
  'removeStatus',
  'removeOpen',
  'removeReplays',
  'removeDeadLetters',
  'removeAttempts',
] as const;
