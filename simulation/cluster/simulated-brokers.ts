import type { Seeded } from '../../conformance/kit/seeded.ts';
import { JournalError, type JournalExtent } from '../../packages/server/src/storage/cluster/journal.ts';
import type { Block, NewBlock } from '../../packages/server/src/storage/view/block.ts';

const BROKERS = 3;

/** One broker. It runs or is down, and it reaches the others or is cut off. */
export interface SimulatedBroker {
  isUp: boolean;
  isCutOff: boolean;
  /** The newest block that it has. */
  last: number;
}

export interface Appended {
  readonly sequence: number;
  /** The broker had a block with this id. */
  readonly isDuplicate: boolean;
}

/**
 * Three brokers, and the journal that a majority of them has. A broker that is cut off answers with
 * the blocks that it had then.
 */
export class SimulatedBrokers {
  readonly all: readonly SimulatedBroker[] = Array.from({ length: BROKERS }, () => ({
    isUp: true,
    isCutOff: false,
    last: 0,
  }));
  /** All blocks of the present history, also those that were trimmed. */
  readonly history: Block[] = [];
  isFull = false;
  /** Each ends one connection of a hub. */
  readonly connections = new Set<() => void>();
  /** The consumers of all brokers, which wait for blocks. */
  readonly waiting = new Set<() => void>();
  /** The number of times that blocks were lost. */
  rollbacks = 0;
  #first = 1;
  readonly #random: Seeded;
  readonly #byId = new Map<string, number>();

  constructor(random: Seeded) {
    this.#random = random;
  }

  /** Whether this broker is one of a majority. */
  isInMajority(broker: SimulatedBroker): boolean {
    const count = this.all.filter(({ isUp, isCutOff }) => isUp && !isCutOff).length;
    return broker.isUp && !broker.isCutOff && count * 2 > BROKERS;
  }

  /** The blocks that a broker knows. At times it is a moment behind the others. */
  extentOf(broker: SimulatedBroker): JournalExtent {
    const { length } = this.history;
    if (this.isInMajority(broker)) {
      const lag = this.#random.below(10) === 0 ? this.#random.below(4) : 0;
      broker.last = Math.max(Math.min(broker.last, length), length - lag);
    }
    const last = Math.max(this.#first - 1, Math.min(broker.last, length));
    return { first: this.#first, last, bytes: (last - this.#first + 1) * 300 };
  }

  /** A block that has not been trimmed. */
  at(sequence: number): Block | undefined {
    return sequence < this.#first ? undefined : this.history[sequence - 1];
  }

  /**
   * What a broker answers to an append.
   * One outside the majority stores nothing, and still knows the ids of its own blocks.
   * @throws JournalError
   */
  append(broker: SimulatedBroker, block: NewBlock, expectedLast: number | undefined): Appended | 'none' {
    const known = this.#byId.get(block.id);
    const isInMajority = this.isInMajority(broker);
    if (known !== undefined && (isInMajority || known <= broker.last)) return { sequence: known, isDuplicate: true };
    if (!isInMajority) return 'none';
    if (this.isFull) throw new JournalError('full', 'the brokers are full');
    if (expectedLast !== undefined && expectedLast !== this.history.length)
      throw new JournalError('conflict', 'another block came first');
    return { sequence: this.#store(block), isDuplicate: false };
  }

  /** A block that a hub repeated, after the time in which brokers drop copies. */
  appendCopy(): void {
    const block = this.history[this.#random.below(this.history.length)];
    if (block !== undefined) this.#store(block);
  }

  trim(before: number): void {
    this.#first = Math.max(this.#first, Math.min(before, this.history.length + 1));
  }

  /** All brokers start again from a copy, and have lost the newest blocks. */
  rollBack(through: number): void {
    this.rollbacks++;
    for (const reconnect of this.connections) reconnect();
    for (const { id, sequence } of this.history.splice(through))
      if (this.#byId.get(id) === sequence) this.#byId.delete(id);
    for (const broker of this.all) broker.last = Math.min(broker.last, through);
  }

  get first(): number {
    return this.#first;
  }

  #store({ id, kind, data }: NewBlock | Block): number {
    const sequence = this.history.push({ sequence: this.history.length + 1, id, kind, data: new Uint8Array(data) });
    if (!this.#byId.has(id)) this.#byId.set(id, sequence);
    for (const broker of this.all) if (this.isInMajority(broker)) broker.last = sequence;
    for (const wake of this.waiting) wake();
    this.waiting.clear();
    return sequence;
  }
}
