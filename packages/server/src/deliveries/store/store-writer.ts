import type { DatabaseSync } from 'node:sqlite';
import type {
  Attempt,
  DeadLetter,
  DeadLettersQuery,
  StoreChange,
  StoredSubscription,
} from '../../core/subscription/ports.ts';
import { UnavailableError } from '../../sqlite/failure.ts';
import { openOwnFile, refusingDamage, reopenOwnFile, type OwnFile } from '../../sqlite/own-file.ts';
import { AttemptTable } from './attempt-table.ts';
import { CommittedCount } from './committed-count.ts';
import { readStored, tampered } from './load.ts';
import type { Applied, AttemptsQuery, Opened, StoreOptions } from './messages.ts';
import { APPLICATION_ID, MIGRATIONS, PRAGMAS, REPAIR } from './schema.ts';
import { prepare, type Statements } from './statements.ts';
import { fileBytes } from './file-bytes.ts';

/** The one who writes `subscriptions.sqlite`: runs in a thread of its own, where it may wait for the disk. */
export class StoreWriter {
  readonly opened: Opened;
  readonly #own: OwnFile;
  readonly #options: StoreOptions;
  #database: DatabaseSync;
  #do: Statements;
  #attempts: AttemptTable;
  /** Subscriptions that there are: what is told of others is nothing. */
  #known: Set<string>;
  /** Whether a commit waits for the disk itself. */
  #isSynchronous = true;
  /** A write has failed: the connection is not trusted any more. */
  #hasFailed = false;
  readonly #count: CommittedCount;

  /** @throws DataFolderError */
  constructor(options: StoreOptions) {
    this.#options = options;
    this.#own = {
      file: options.file,
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      pragmas: PRAGMAS,
      repair: REPAIR,
    };
    this.#database = openOwnFile(this.#own);
    this.#do = prepare(this.#database);
    this.#attempts = refusingDamage(this.#own, () => new AttemptTable(this.#do, options.bounds));
    this.#known = refusingDamage(this.#own, () => this.#readKnown());
    const epoch = this.#do.epoch.get() as { epoch: string } | undefined;
    this.#count = refusingDamage(this.#own, () => new CommittedCount(options.file, this.#readCount()));
    const { hasLostCommits } = this.#count;
    this.opened = { epoch: epoch?.epoch, lastAttempt: this.#attempts.last, hasLostCommits };
  }

  /** A page of all that is known, in the order of the ids. */
  load(after: string, limit: number): readonly StoredSubscription[] {
    return refusingDamage(this.#own, () => readStored(this.#do, this.#own, after, limit));
  }

  /** All or nothing. @throws UnavailableError */
  apply(changes: readonly StoreChange[], isAwaited: boolean): Applied {
    try {
      if (this.#hasFailed) this.#reopen();
      this.#setSynchronous(isAwaited);
      this.#do.begin.run();
      for (const change of changes) this.#apply(change);
      this.#attempts.prune();
      this.#do.countUp.run();
      this.#do.commit.run();
      this.#count.committed(isAwaited);
    } catch (error) {
      this.#hasFailed = true;
      this.#rollBack();
      throw new UnavailableError(error);
    }
    const { file } = this.#own;
    return {
      databaseBytes: fileBytes(file),
      walBytes: fileBytes(`${file}-wal`),
      attempts: this.#attempts.count,
    };
  }

  attempts(query: AttemptsQuery): readonly Attempt[] {
    return this.#reading(() => this.#attempts.list(query));
  }

  deadLetters(subscription: string, { after, limit }: DeadLettersQuery): readonly DeadLetter[] {
    const { epoch, position } = after ?? { epoch: '', position: 0 };
    return this.#reading(
      () => this.#do.deadLetters.all(subscription, epoch, position, limit) as unknown as DeadLetter[],
    );
  }

  close(): void {
    this.#count.closing();
    this.#closeDatabase();
    this.#count.closed();
  }

  #closeDatabase(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #reading<Result>(read: () => Result): Result {
    try {
      if (this.#hasFailed) this.#reopen();
      return read();
    } catch (error) {
      throw new UnavailableError(error);
    }
  }

  #readKnown(): Set<string> {
    return new Set((this.#do.ids.all() as unknown as { id: string }[]).map(({ id }) => id));
  }

  #readCount(): number {
    const row = this.#do.committed.get() as { count: number } | undefined;
    if (row === undefined) throw tampered(this.#own, 'no count of its transactions');
    return row.count;
  }

  #setSynchronous(isSynchronous: boolean): void {
    if (this.#isSynchronous === isSynchronous) return;
    // What nobody waits for is consistent all the same: a loss of power takes it back as a whole.
    this.#database.exec(`PRAGMA synchronous = ${isSynchronous ? 'FULL' : 'NORMAL'}`);
    this.#isSynchronous = isSynchronous;
  }

  #reopen(): void {
    this.#closeDatabase();
    this.#database = reopenOwnFile(this.#own);
    this.#isSynchronous = true;
    this.#do = prepare(this.#database);
    this.#attempts = new AttemptTable(this.#do, this.#options.bounds);
    this.#known = this.#readKnown();
    this.#count.reopened(this.#readCount());
    this.#hasFailed = false;
  }

  #rollBack(): void {
    try {
      if (this.#database.isOpen && this.#database.isTransaction) this.#do.rollback.run();
    } catch {
      // The connection is replaced before it is used again, and takes its transaction with it.
    }
  }

  #apply(change: StoreChange): void {
    const statements = this.#do;
    if (change.kind === 'epoch') return void statements.putEpoch.run(change.epoch);
    if (change.kind === 'definition') {
      const { definition } = change;
      this.#known.add(definition.id);
      return void statements.putDefinition.run(definition.id, definition.version, JSON.stringify(definition));
    }
    if (change.kind === 'attempt') {
      if (this.#known.has(change.attempt.subscription)) this.#attempts.put(change.attempt);
      return;
    }
    if (change.kind === 'dead_letter') {
      const { subscription, epoch, position, channel, attempts, sinceMs, outcome, detail } = change.deadLetter;
      if (!this.#known.has(subscription)) return;
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
    if (this.#known.has(change.subscription)) this.#applyTo(change.subscription, change);
  }

  #applyTo(subscription: string, change: Exclude<StoreChange, { kind: Unnamed }>): void {
    const statements = this.#do;
    switch (change.kind) {
      case 'standing': {
        const { state, reason, sinceMs, cursor, failingSinceMs, restUntilMs, lost, held } = change.standing;
        const failingMs = failingSinceMs === undefined ? null : Math.round(failingSinceMs);
        return void statements.putStanding.run(
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
        this.#known.delete(subscription);
        this.#attempts.forget(subscription);
        for (const drop of REMOVALS) statements[drop].run(subscription);
    }
  }
}

/** Kinds of changes that do not name their subscription at the top. */
type Unnamed = 'epoch' | 'definition' | 'attempt' | 'dead_letter';

const REMOVALS = [
  'removeDefinition',
  'removeStanding',
  'removeOpen',
  'removeReplays',
  'removeDeadLetters',
  'removeAttempts',
] as const;
