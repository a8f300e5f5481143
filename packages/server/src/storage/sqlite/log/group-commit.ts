import { PolycastError } from '@polycast/protocol';
import type { AppendOutcome, NewRecord, Position, StoredRecord } from '../../../core/ports.ts';
import { encodeBatch } from '../../shared/batch-codec.ts';
import { CommitDelay } from '../../shared/commit-delay.ts';
import type { Committed, CommittedMessage, WriterRequest } from './messages.ts';
import type { Thread } from '../thread.ts';

/**
 * Bounds of one commit, in records and bytes: some 10 ms of work. A commit takes whole appends, and
 * always at least one.
 */
const COMMIT_RECORDS_MAX = 8_192;
const COMMIT_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of bodies that may wait for a commit. Beyond it, `append` rejects with `overloaded`. */
const PENDING_BYTES_MAX = 256 * 1024 * 1024;
/** After this many milliseconds without a commit, the next commit starts immediately. */
const QUIET_MS = 10;

/** A batch up to this size is copied to the writer's thread. Moving it takes more CPU time. */
const COPIED_BYTES_MAX = 4096;

/** The side of the writer's thread that takes commits. */
type Writer = Pick<Thread<WriterRequest>, 'request'>;

interface Append {
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitListener {
  /** The records are durable. Their publishers are answered after this call. */
  onCommitted(stored: readonly StoredRecord[], head: Position): void;
  /**
   * A commit failed, and nothing of it is acknowledged. Nothing of it was stored, unless the
   * writer's thread crashed.
   */
  onFailed(error: unknown): void;
}

/**
 * Group commit: one write and one sync for all appends that arrive at nearly the same time
 * (docs/decisions/0003-group-commit.md). The appends of one turn of the event loop form one batch
 * for the writer. Under load a batch has the appends of a few turns. One batch is in flight at a
 * time. Appends that arrive meanwhile form the next batch.
 *
 * Example: 200 publishers in one turn of the loop wait for one sync.
 */
export class GroupCommit {
  #writer: Writer;
  readonly #listener: CommitListener;
  readonly #commitDelay = new CommitDelay();
  #pending: Append[] = [];
  #pendingBytes = 0;
  #scheduled = false;
  #committing = false;
  #onDrained: (() => void) | undefined;
  /** When the last commit was settled, by `performance.now()`. */
  #settledMs = 0;

  constructor(writer: Writer, listener: CommitListener) {
    this.#writer = writer;
    this.#listener = listener;
  }

  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const bytes = records.reduce((sum, { body }) => sum + body.byteLength, 0);
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX)
      return Promise.reject(new PolycastError('overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#pending.push({ records, bytes, resolve, reject });
    this.#pendingBytes += bytes;
    if (!this.#committing && !this.#scheduled) this.#schedule();
    return promise;
  }

  /** Continues with another writer after the current one has failed. */
  replaceWriter(writer: Writer): void {
    this.#writer = writer;
  }

  /** Resolves when no append waits or is in flight. Nothing may be appended meanwhile. */
  drained(): Promise<void> {
    if (!this.#committing && this.#pending.length === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  stats(): Readonly<Record<string, number>> {
    return {
      waiting: this.#pending.length,
      waitingBytes: this.#pendingBytes,
      ...this.#commitDelay.stats(),
    };
  }

  #schedule(): void {
    const nowMs = performance.now();
    const delayMs = this.#commitDelay.delayMs(nowMs);
    // After a quiet time no other append is likely in this turn. Publishers whose appends shared
    // the last commit publish together again: after its delivery, which may last longer than
    // that time.
    if (delayMs === 0 && this.#commitDelay.lastWasAlone && nowMs - this.#settledMs > QUIET_MS)
      return void this.#commit();
    this.#scheduled = true;
    if (delayMs === 0) this.#commitAfterTurn(0);
    else setTimeout(() => void this.#commit(), delayMs);
  }

  /**
   * Commits after this turn of the event loop, or after a later one while each turn brings more
   * appends.
   */
  #commitAfterTurn(appendsBefore: number): void {
    setImmediate(() => {
      const { length } = this.#pending;
      if (this.#commitDelay.isWorthAnotherTurn(length, appendsBefore)) this.#commitAfterTurn(length);
      else void this.#commit();
    });
  }

  async #commit(): Promise<void> {
    this.#scheduled = false;
    this.#committing = true;
    const appends = this.#takeBatch();
    this.#commitDelay.onCommit(performance.now(), appends.length);
    const committed = await this.#send(appends);
    // Outside the `try` of `#send`: an error of a follower does not make a durable commit fail.
    if (committed !== undefined) this.#settle(appends, committed);
    this.#committing = false;
    this.#settledMs = performance.now();
    if (this.#pending.length > 0) this.#schedule();
    else this.#onDrained?.();
  }

  /** Returns undefined after a failure. All appends are rejected then. */
  async #send(appends: readonly Append[]): Promise<Committed | undefined> {
    try {
      const batch = encodeBatch(
        appends.length === 1 ? (appends[0] as Append).records : appends.flatMap(({ records }) => records),
      );
      const isMoved = batch.byteLength > COPIED_BYTES_MAX;
      const message = await this.#writer.request<CommittedMessage>(
        { kind: 'append', batch },
        isMoved ? [batch] : undefined,
      );
      return typeof message === 'number' ? { firstPosition: message, notAppended: [] } : message;
    } catch (error) {
      this.#listener.onFailed(error);
      for (const { reject } of appends) reject(error);
      return undefined;
    }
  }

  #takeBatch(): readonly Append[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const append of this.#pending) {
      if (
        count > 0 &&
        (records + append.records.length > COMMIT_RECORDS_MAX || bytes + append.bytes > COMMIT_BYTES_MAX)
      )
        break;
      records += append.records.length;
      bytes += append.bytes;
      count++;
    }
    this.#pendingBytes -= bytes;
    return this.#pending.splice(0, count);
  }

  #settle(appends: readonly Append[], { firstPosition, notAppended }: Committed): void {
    const stored: StoredRecord[] = [];
    const outcomes: AppendOutcome[][] = [];
    let index = 0;
    let notAppendedIndex = 0;
    let position = firstPosition;
    for (const { records } of appends) {
      const appendOutcomes: AppendOutcome[] = [];
      for (const { channel, type, timeMs, body, trace } of records) {
        const notAppendedOutcome = notAppended[notAppendedIndex];
        if (notAppendedOutcome !== undefined && notAppendedOutcome[0] === index++) {
          appendOutcomes.push(notAppendedOutcome[1]);
          notAppendedIndex++;
          continue;
        }
        appendOutcomes.push({ kind: 'appended', position });
        stored.push({ position, channel, type, timeMs, body, trace });
        position++;
      }
      outcomes.push(appendOutcomes);
    }
    if (stored.length > 0) this.#listener.onCommitted(stored, position - 1);
    for (const [at, { resolve }] of appends.entries()) resolve(outcomes[at] as AppendOutcome[]);
  }
}
