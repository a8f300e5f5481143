import { setTimeout as delay } from 'node:timers/promises';
import type { Block } from '../view/block.ts';
import type { LogView } from '../view/log-view.ts';
import { commandBytes, epochOf } from '../view/view-state.ts';
import { JournalError, type Journal } from './journal.ts';

/** The interval at which a refused order is repeated. */
const RETRY_MS = 1_000;

interface ReceivedParts {
  readonly journal: Pick<Journal, 'append'>;
  readonly view: Pick<LogView, 'applied'>;
  readonly incarnation: string;
  /** The name of a new epoch after another one. */
  readonly newEpoch: (after: string) => string;
}

/**
 * The blocks that this hub has received, whether its view has applied them or not. Example: the
 * disk is full, so block 9 waits. Then the brokers lose block 9. A view at block 8 does not show
 * that loss to the next start. So the hub orders a new epoch before it forgets block 9.
 */
export class ReceivedBlocks {
  readonly #parts: ReceivedParts;
  #sequence = 0;
  #epochs: readonly string[] = [];

  constructor(parts: ReceivedParts) {
    this.#parts = parts;
  }

  add(block: Block): void {
    this.#sequence = block.sequence;
    const epoch = epochOf(block);
    if (epoch !== undefined) this.#epochs = [...this.#laterEpochs, epoch];
  }

  /**
   * The brokers have lost the newest received block. Resolves when the journal has the order, or
   * when the view has the lost block, and so the next start finds the loss.
   */
  async reportLoss(): Promise<void> {
    const { view } = this.#parts;
    for (let number = 1; view.applied.sequence < this.#sequence; number++) {
      try {
        return await this.#order(number);
      } catch (error) {
        if (error instanceof JournalError && error.code === 'closed') return;
      }
      await delay(RETRY_MS);
    }
  }

  /** Some of the received epochs may be lost, too. The order from the present one takes effect. */
  async #order(number: number): Promise<void> {
    const { journal, view, incarnation, newEpoch } = this.#parts;
    const epochs = [view.applied.epoch, ...this.#laterEpochs].filter((epoch) => epoch !== '');
    const to = newEpoch(epochs.at(-1) ?? '');
    for (const [at, from] of epochs.entries())
      await journal.append({
        id: `${incarnation}lost${at}-${number}`,
        kind: 'epoch',
        data: commandBytes({ from, to }),
      });
  }

  /** The epochs of blocks that the view has not applied. */
  get #laterEpochs(): readonly string[] {
    return this.#epochs.filter((epoch) => epoch > this.#parts.view.applied.epoch);
  }
}
