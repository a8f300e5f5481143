import type { StorageLogger } from '../../home.ts';
import type { LogView } from '../../view/log-view.ts';
import { commandBytes } from '../../view/view-state.ts';
import type { BlockQueue } from '../block-queue.ts';
import type { LogLifecycle } from './log-lifecycle.ts';

interface EpochChangesParts {
  readonly queue: Pick<BlockQueue, 'command'>;
  readonly view: Pick<LogView, 'state'>;
  readonly lifecycle: Pick<LogLifecycle, 'expectEpoch' | 'setCaughtUp'>;
  /** The name of a new epoch after another one. */
  readonly newEpoch: (after: string) => string;
  readonly logger: StorageLogger;
}

/**
 * The new epochs that a hub orders for its cluster. Example: the brokers were rolled back, and this
 * hub is the first to notice it.
 */
export class EpochChanges {
  readonly #parts: EpochChangesParts;

  constructor(parts: EpochChangesParts) {
    this.#parts = parts;
  }

  /** Begins the log in a journal whose first block did not. */
  begin(genesis: Uint8Array): Promise<void> {
    return this.#change('genesis', genesis);
  }

  /** Orders a new epoch, before any other part of the hub knows the present one. */
  renew(to: string): Promise<void> {
    return this.#change('epoch', commandBytes({ from: this.#parts.view.state.epoch, to }));
  }

  /** A snapshot of this epoch has a block that the brokers have lost. */
  async reportLoss(epoch: string): Promise<void> {
    const { queue, view, newEpoch, logger } = this.#parts;
    const from = view.state.epoch;
    // Another hub has noticed it.
    if (epoch < from) return;
    logger.error({ epoch }, 'cluster: the brokers have lost a block that a snapshot has; new epoch');
    await queue.command('epoch', commandBytes({ from, to: newEpoch(epoch) }));
  }

  async #change(kind: 'genesis' | 'epoch', data: Uint8Array): Promise<void> {
    const { queue, view, lifecycle } = this.#parts;
    const { epoch } = view.state;
    lifecycle.expectEpoch();
    try {
      await queue.command(kind, data);
    } catch (error) {
      // The outcome may be lost although the view has the new epoch.
      if (view.state.epoch === epoch) throw error;
    }
    lifecycle.setCaughtUp();
  }
}
