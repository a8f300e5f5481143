import { PolycastError } from '@polycast/protocol';
import type { AppendOutcome, NewRecord } from '../../core/ports.ts';
import { encodeExactBatch, recordBytesMax } from '../shared/batch-codec.ts';
import { CommitDelay } from '../shared/commit-delay.ts';
import { JournalError, type Journal } from './journal.ts';
import type { BlockKind } from '../view/block.ts';
import type { BlockEffect } from '../view/log-view.ts';

/** Records of one block at most. */
const BLOCK_RECORDS_MAX = 4_096;
/** Bytes of bodies that may wait for a block. Beyond it, `append` rejects with `overloaded`. */
const PENDING_BYTES_MAX = 256 * 1024 * 1024;

interface PendingAppend {
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

interface PendingCommand {
  readonly kind: BlockKind;
  readonly data: Uint8Array;
  readonly resolve: (outcome: BlockEffect) => void;
  readonly reject: (error: unknown) => void;
}

interface Sent {
  readonly resolve: (outcome: BlockEffect) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The blocks of this hub: group commit for a journal. The appends of one turn of the event loop
 * form one block. After a block with one append the next append leaves at once. One block is in
 * flight at a time, so the journal has them in the order of their numbers. An append resolves when
 * its outcome is known: when this hub's own view has applied its block, or will certainly append
 * its events.
 */
export class BlockQueue {
  readonly #journal: Journal;
  readonly #incarnation: string;
  readonly #commitDelay = new CommitDelay();
  readonly #sent = new Map<string, Sent>();
  #pending: PendingAppend[] = [];
  #pendingBytes = 0;
  #commands: PendingCommand[] = [];
  #number = 0;
  #scheduled = false;
  #inFlight = false;
  #onDrained: (() => void) | undefined;
  #isAbandoned = false;

  /** @param incarnation a name of this process that no other has or had */
  constructor(journal: Journal, incarnation: string) {
    this.#journal = journal;
    this.#incarnation = incarnation;
  }

  /**
   * @throws PolycastError `outcome_unknown`, `log_unavailable`, `log_full`, `overloaded`,
   * `event_too_large`
   */
  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    if (this.#isAbandoned) return Promise.reject(abandoned());
    const bytes = records.reduce((sum, record) => sum + recordBytesMax(record), 0);
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > PENDING_BYTES_MAX)
      return Promise.reject(new PolycastError('overloaded'));
    const parts = this.#partsOf(records, bytes);
    if (parts === undefined) {
      const limit = this.#journal.blockBytesMax;
      const detail = `The brokers of the cluster accept ${limit} bytes at once, and the event with its names has more.`;
      return Promise.reject(new PolycastError('event_too_large', detail, { limit }));
    }
    const promises = parts.map((part) => this.#add(part));
    this.#schedule();
    return promises.length === 1 ? (promises[0] as Promise<readonly AppendOutcome[]>) : joinParts(promises);
  }

  command(kind: BlockKind, data: Uint8Array): Promise<BlockEffect> {
    if (this.#isAbandoned) return Promise.reject(abandoned());
    const { promise, resolve, reject } = Promise.withResolvers<BlockEffect>();
    this.#commands.push({ kind, data, resolve, reject });
    this.#schedule();
    return promise;
  }

  /** What a block of this hub has done, or will certainly do. */
  onOutcome(id: string, outcome: BlockEffect): void {
    const sent = this.#sent.get(id);
    this.#sent.delete(id);
    sent?.resolve(outcome);
    this.#afterOutcome();
  }

  /** The outcome of a block of this hub is unknown: it may have been applied. */
  onOutcomeLost(id: string): void {
    const sent = this.#sent.get(id);
    this.#sent.delete(id);
    sent?.reject(unknownOutcome());
    this.#afterOutcome();
  }

  /** Resolves when every append has its outcome. */
  drained(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  /** Rejects all that is left, and all that comes: no outcome will come any more. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const { reject } of this.#pending.splice(0)) reject(abandoned());
    for (const { reject } of this.#commands.splice(0)) reject(abandoned());
    for (const id of [...this.#sent.keys()]) this.onOutcomeLost(id);
  }

  stats(): Readonly<Record<string, number>> {
    return {
      waiting: this.#pending.length,
      waitingBytes: this.#pendingBytes,
      ownBlocks: this.#number,
      ...this.#commitDelay.stats(),
    };
  }

  get #isIdle(): boolean {
    return !this.#inFlight && this.#pending.length === 0 && this.#commands.length === 0 && this.#sent.size === 0;
  }

  /**
   * An append that is larger than a block goes into several. `undefined`: one record is too large.
   */
  #partsOf(records: readonly NewRecord[], bytes: number): readonly (readonly NewRecord[])[] | undefined {
    const { blockBytesMax } = this.#journal;
    if (bytes <= blockBytesMax && records.length <= BLOCK_RECORDS_MAX) return [records];
    const parts: NewRecord[][] = [[]];
    let partBytes = 0;
    for (const record of records) {
      const recordBytes = recordBytesMax(record);
      if (recordBytes > blockBytesMax) return undefined;
      const part = parts.at(-1) as NewRecord[];
      if (part.length > 0 && (part.length >= BLOCK_RECORDS_MAX || partBytes + recordBytes > blockBytesMax)) {
        parts.push([record]);
        partBytes = recordBytes;
      } else {
        part.push(record);
        partBytes += recordBytes;
      }
    }
    return parts;
  }

  #add(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const bytes = records.reduce((sum, record) => sum + recordBytesMax(record), 0);
    const { promise, resolve, reject } = Promise.withResolvers<readonly AppendOutcome[]>();
    this.#pending.push({ records, bytes, resolve, reject });
    this.#pendingBytes += bytes;
    return promise;
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight) return;
    if (this.#pending.length === 0 && this.#commands.length === 0) return;
    // A lone publisher gains nothing from a wait. Publishers that shared a block publish together
    // again.
    if (this.#commitDelay.lastWasAlone) return void this.#sendNext();
    this.#scheduled = true;
    this.#sendAfterTurn(0);
  }

  #sendAfterTurn(appendsBefore: number): void {
    setImmediate(() => {
      const { length } = this.#pending;
      if (this.#commitDelay.isWorthAnotherTurn(length, appendsBefore)) return this.#sendAfterTurn(length);
      this.#scheduled = false;
      void this.#sendNext();
    });
  }

  async #sendNext(): Promise<void> {
    const command = this.#commands.shift();
    const appends = command === undefined ? this.#takeBlock() : [];
    if (command === undefined && appends.length === 0) return this.#afterOutcome();
    this.#inFlight = true;
    if (command === undefined) this.#commitDelay.onCommit(performance.now(), appends.length);
    try {
      await (command === undefined
        ? this.#send('events', encodeExactBatch(recordsOf(appends)), appendsSettler(appends))
        : this.#send(command.kind, command.data, command));
    } catch (error) {
      // The appends behind have waited as long, and would wait as long again.
      if (error instanceof JournalError && error.code === 'unknown') this.#rejectPending();
    }
    this.#inFlight = false;
    this.#schedule();
    this.#afterOutcome();
  }

  /** Resolves when the journal has the block, or its outcome is known. */
  async #send(kind: BlockKind, data: Uint8Array, { resolve, reject }: Sent): Promise<void> {
    const id = `${this.#incarnation}-${++this.#number}`;
    const { promise: applied, resolve: onApplied } = Promise.withResolvers<void>();
    this.#sent.set(id, {
      resolve: (outcome) => {
        resolve(outcome);
        onApplied();
      },
      reject: (error) => {
        reject(error);
        onApplied();
      },
    });
    const appended = this.#journal.append({ id, kind, data }).then(() => undefined);
    try {
      await Promise.race([appended, applied]);
    } catch (error) {
      if (this.#sent.delete(id)) reject(refusalOf(error));
      throw error;
    }
    // A late failure of a block that was applied means nothing.
    appended.catch(() => undefined);
  }

  #takeBlock(): readonly PendingAppend[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const append of this.#pending) {
      const isFull =
        records + append.records.length > BLOCK_RECORDS_MAX || bytes + append.bytes > this.#journal.blockBytesMax;
      if (count > 0 && isFull) break;
      records += append.records.length;
      bytes += append.bytes;
      count++;
    }
    this.#pendingBytes -= bytes;
    return this.#pending.splice(0, count);
  }

  #rejectPending(): void {
    this.#pendingBytes = 0;
    const error = new PolycastError('log_unavailable', undefined, { retryAfterMs: 1000 });
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  #afterOutcome(): void {
    if (this.#isIdle) this.#onDrained?.();
  }
}

function recordsOf(appends: readonly PendingAppend[]): readonly NewRecord[] {
  return appends.length === 1 ? (appends[0] as PendingAppend).records : appends.flatMap(({ records }) => records);
}

/** Gives each append of a block its own outcomes. */
function appendsSettler(appends: readonly PendingAppend[]): Sent {
  return {
    resolve(outcome) {
      if (outcome.kind !== 'appended') return this.reject(unknownOutcome());
      const { firstPosition, notAppended } = outcome;
      let index = 0;
      let next = 0;
      let position = firstPosition;
      for (const { records, resolve } of appends) {
        const outcomes: AppendOutcome[] = [];
        for (let count = 0; count < records.length; count++) {
          const refused = notAppended[next];
          if (refused !== undefined && refused[0] === index) {
            outcomes.push(refused[1]);
            next++;
          } else outcomes.push({ kind: 'appended', position: position++ });
          index++;
        }
        resolve(outcomes);
      }
    },
    reject(error) {
      for (const { reject } of appends) reject(error);
    },
  };
}

/** After a failure of one part, the others may be appended. */
async function joinParts(parts: readonly Promise<readonly AppendOutcome[]>[]): Promise<readonly AppendOutcome[]> {
  const settled = await Promise.allSettled(parts);
  const fulfilled = settled.filter((part) => part.status === 'fulfilled');
  if (fulfilled.length === settled.length) return fulfilled.flatMap(({ value }) => value);
  const failed = settled.find((part) => part.status === 'rejected');
  throw fulfilled.length === 0 ? failed?.reason : unknownOutcome();
}

function refusalOf(error: unknown): PolycastError {
  const code = error instanceof JournalError ? error.code : 'unknown';
  if (code === 'full')
    return new PolycastError('log_full', 'The brokers of the cluster have no room. Nothing was stored.');
  if (code === 'unknown') return unknownOutcome();
  return new PolycastError('log_unavailable');
}

function unknownOutcome(): PolycastError {
  return new PolycastError('outcome_unknown', undefined, { retryAfterMs: 1000 });
}

function abandoned(): PolycastError {
  return new PolycastError('log_unavailable', 'The log is closed.');
}
