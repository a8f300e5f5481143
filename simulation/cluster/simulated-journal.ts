import { BlockFollower } from '../../packages/server/src/storage/cluster/jetstream/block-follower.ts';
import { placeOf } from '../../packages/server/src/storage/cluster/rollback-check.ts';
import {
  JournalError,
  type Journal,
  type JournalExtent,
  type JournalFollower,
} from '../../packages/server/src/storage/cluster/journal.ts';
import type { BlockAddress, NewBlock } from '../../packages/server/src/storage/view/block.ts';
import type { SimulatedBrokers } from './simulated-brokers.ts';
import type { SimulatedConnection } from './simulated-connection.ts';

const RETRY_WAIT_MS = 50;
const APPEND_DEADLINE_MS = 30_000;
const QUESTION_DEADLINE_MS = 5_000;

/**
 * The journal of one hub, over its simulated connection.
 * It repeats requests as the journal of JetStream does.
 */
export class SimulatedJournal implements Journal {
  readonly blockBytesMax = 64 * 1024;
  readonly unsafeReason = undefined;
  readonly #brokers: SimulatedBrokers;
  readonly #connection: SimulatedConnection;
  #follower: BlockFollower | undefined;
  #last = 0;
  #isClosed = false;

  constructor(brokers: SimulatedBrokers, connection: SimulatedConnection) {
    this.#brokers = brokers;
    this.#connection = connection;
  }

  get silentMs(): number {
    return this.#follower?.silentMs ?? 0;
  }

  get newest(): number {
    return Math.max(this.#last, this.#follower?.newest ?? 0);
  }

  async append(block: NewBlock, expectedLast?: number): Promise<number> {
    const deadlineMs = performance.now() + APPEND_DEADLINE_MS;
    let isUncertain = false;
    for (;;) {
      try {
        const { sequence, isDuplicate } = await this.#connection.request((broker) =>
          this.#brokers.append(broker, block, expectedLast),
        );
        // As in the journal of JetStream: a broker that is cut off knows its own blocks.
        const { id, kind, data } = block;
        if (!isDuplicate) this.#follower?.onConfirmed({ sequence, id, kind, data: new Uint8Array(data) });
        return sequence;
      } catch (error) {
        if (this.#isClosed) throw new JournalError(isUncertain ? 'unknown' : 'closed', 'the journal is closed');
        if (error instanceof JournalError && error.code === 'conflict') throw error;
        const isFull = error instanceof JournalError && error.code === 'full';
        if (isFull) this.#follower?.onNews();
        if (isFull && !isUncertain) throw error;
        if (performance.now() >= deadlineMs) throw new JournalError('unknown', (error as Error).message);
        isUncertain = true;
        await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS));
      }
    }
  }

  async last(): Promise<number> {
    this.#last = (await this.extent()).last;
    return this.#last;
  }

  extent(): Promise<JournalExtent> {
    return this.#ask((broker) => this.#brokers.extentOf(broker));
  }

  async trim(before: number): Promise<void> {
    await this.#ask((broker) => {
      if (!this.#brokers.isInMajority(broker)) return 'none' as const;
      this.#brokers.trim(before);
      return true;
    });
  }

  async idAt(sequence: number): Promise<string | undefined> {
    const { id } = await this.#ask((broker) => {
      const isKnown = sequence <= this.#brokers.extentOf(broker).last;
      return { id: isKnown ? this.#brokers.at(sequence)?.id : undefined };
    });
    return id;
  }

  follow(from: BlockAddress, follower: JournalFollower): void {
    const { connection, manager } = this.#connection.forFollower;
    const place = (at: BlockAddress, appendMark: () => Promise<number>): ReturnType<typeof placeOf> =>
      placeOf(at, this, appendMark);
    // The announcement of a new leader only makes a hub repeat earlier; here it is never heard.
    const elections = { attempt: <Answer>(sent: Promise<Answer>): Promise<Answer> => sent };
    this.#follower = new BlockFollower({ connection, manager, stream: 's', elections, place }, from, follower);
  }

  deliverNow(sequence: number): void {
    this.#follower?.deliverNow(sequence);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#follower?.close();
    this.#connection.close();
  }

  /** Repeats a question until it has an answer. */
  async #ask<Answer>(answer: Parameters<typeof SimulatedConnection.prototype.request<Answer>>[0]): Promise<Answer> {
    const endMs = performance.now() + QUESTION_DEADLINE_MS;
    for (;;) {
      if (this.#isClosed) throw new JournalError('closed', 'the journal is closed');
      try {
        return await this.#connection.request(answer);
      } catch (error) {
        if (performance.now() >= endMs) throw new JournalError('unknown', (error as Error).message);
        await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS));
      }
    }
  }
}
