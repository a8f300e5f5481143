import type { Journal, JournalExtent, JournalFollower } from './journal.ts';
import type { Block, BlockAddress, NewBlock } from '../view/block.ts';
import { JournalError } from './journal.ts';

/**
 * A journal in the memory of one process: for tests with several hubs in it. Each hub connects, and
 * all connections share the blocks.
 */
export class MemoryJournalServer {
  #blocks: Block[] = [];
  /** The sequence of the first block. */
  #first = 1;
  readonly #connections = new Set<MemoryJournal>();
  /** The silence that connections report. */
  silentMs = 0;
  /** A full journal refuses blocks. */
  isFull = false;
  /** The number of blocks that it has refused. */
  refused = 0;
  #lostAnswer: { readonly isStored: boolean } | undefined;

  connect(): MemoryJournal {
    const connection = new MemoryJournal(this);
    this.#connections.add(connection);
    return connection;
  }

  get last(): number {
    return this.#first - 1 + this.#blocks.length;
  }

  get kinds(): readonly string[] {
    return this.#blocks.map(({ kind }) => kind);
  }

  get extent(): JournalExtent {
    const bytes = this.#blocks.reduce((sum, { data }) => sum + data.byteLength, 0);
    return { first: this.#first, last: this.last, bytes };
  }

  trim(before: number): void {
    this.#blocks = this.#blocks.slice(Math.max(0, before - this.#first));
    this.#first = Math.max(this.#first, before);
  }

  /** The next append fails without an answer, whether its block is stored or not. */
  loseNextAnswer(isStored: boolean): void {
    this.#lostAnswer = { isStored };
  }

  append(block: NewBlock, expectedLast?: number): number {
    const lost = this.#lostAnswer;
    this.#lostAnswer = undefined;
    const sequence = lost?.isStored === false ? 0 : this.#store(block, expectedLast);
    if (lost !== undefined) throw new JournalError('unknown', 'the answer was lost');
    return sequence;
  }

  #store({ id, kind, data }: NewBlock, expectedLast: number | undefined): number {
    const known = this.#blocks.find((block) => block.id === id);
    if (known !== undefined) return known.sequence;
    if (this.isFull) {
      this.refused++;
      throw new JournalError('full', 'the journal is full');
    }
    if (expectedLast !== undefined && expectedLast !== this.last)
      throw new JournalError('conflict', 'another block came first');
    const block: Block = { sequence: this.last + 1, id, kind, data: new Uint8Array(data) };
    this.#blocks.push(block);
    for (const connection of this.#connections) connection.deliver();
    return block.sequence;
  }

  at(sequence: number): Block | undefined {
    return this.#blocks[sequence - this.#first];
  }

  disconnect(connection: MemoryJournal): void {
    this.#connections.delete(connection);
  }

  /** Forgets all blocks after a sequence, as a broker that was restored does. */
  rollBack(through: number): void {
    this.#blocks = this.#blocks.slice(0, Math.max(0, through + 1 - this.#first));
    if (through === 0) this.#first = 1;
    for (const connection of this.#connections) connection.deliver();
  }
}

const BLOCK_BYTES_MAX = 1024 * 1024;

/** One hub's connection, as to one broker. */
export class MemoryJournal implements Journal {
  readonly blockBytesMax = BLOCK_BYTES_MAX;
  readonly unsafeReason = undefined;
  readonly #server: MemoryJournalServer;
  #follower: JournalFollower | undefined;
  #at: BlockAddress = { sequence: 0, id: '' };
  #isDelivering = false;
  #isolated:
    | { readonly last: number; readonly atMs: number; readonly promise: Promise<void>; readonly resolve: () => void }
    | undefined;
  #closed = false;

  constructor(server: MemoryJournalServer) {
    this.#server = server;
  }

  get silentMs(): number {
    return this.#isolated === undefined ? this.#server.silentMs : performance.now() - this.#isolated.atMs;
  }

  /** The broker is cut off from the others: it answers with what it has, and appends nothing. */
  isolate(): void {
    this.#isolated ??= { last: this.#server.last, atMs: performance.now(), ...Promise.withResolvers<void>() };
  }

  /** It has what the others have again. */
  heal(): void {
    this.#isolated?.resolve();
    this.#isolated = undefined;
    this.deliver();
  }

  async append(block: NewBlock, expectedLast?: number): Promise<number> {
    await turn();
    await this.#isolated?.promise;
    if (this.#closed) throw new JournalError('closed', 'the journal is closed');
    return this.#server.append(block, expectedLast);
  }

  async last(): Promise<number> {
    await turn();
    return this.#last;
  }

  async extent(): Promise<JournalExtent> {
    await turn();
    return { ...this.#server.extent, last: this.#last };
  }

  async trim(before: number): Promise<void> {
    await turn();
    this.#server.trim(before);
  }

  get newest(): number {
    return this.#server.last;
  }

  async idAt(sequence: number): Promise<string | undefined> {
    await turn();
    return sequence > this.#last ? undefined : this.#server.at(sequence)?.id;
  }

  follow(from: BlockAddress, follower: JournalFollower): void {
    this.#follower = follower;
    this.#at = from;
    this.deliver();
  }

  /** Delivers in a later turn, as a socket does. */
  deliver(): void {
    if (this.#isDelivering || this.#follower === undefined || this.#isolated !== undefined) return;
    this.#isDelivering = true;
    setImmediate(() => {
      this.#isDelivering = false;
      this.#deliverAll();
    });
  }

  /** It always does. */
  deliverNow(): void {
    this.deliver();
  }

  get #last(): number {
    return Math.min(this.#server.last, this.#isolated?.last ?? Infinity);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#isolated?.resolve();
    this.#follower = undefined;
    this.#server.disconnect(this);
  }

  #deliverAll(): void {
    const { sequence, id } = this.#at;
    const { first } = this.#server.extent;
    if (sequence < first && (sequence > 0 || first > 1)) {
      this.#follower?.onTrimmedBeyond();
      this.#follower = undefined;
    } else if (sequence > 0 && this.#server.at(sequence)?.id !== id) {
      this.#follower?.onRolledBack();
      this.#follower = undefined;
    }
    for (;;) {
      const block = this.#server.at(this.#at.sequence + 1);
      if (block === undefined || this.#follower === undefined) return;
      this.#at = block;
      this.#follower.onBlock({ ...block, data: new Uint8Array(block.data) });
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
