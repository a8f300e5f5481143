import type { TrimOrder } from '../../../core/ports.ts';
import { commandBytes } from '../../view/view-state.ts';
import type { BlockQueue } from '../block-queue.ts';

/** An order without channels forgets old keys and empty channels. It is sent this often at most. */
const EMPTY_TRIM_INTERVAL_MS = 60_000;

/** The trims of a cluster: each is a block. */
export class ClusterTrims {
  readonly #queue: BlockQueue;
  #emptyTrimMs = -Infinity;
  #isUnfinished = false;

  constructor(queue: BlockQueue) {
    this.#queue = queue;
  }

  async trim(
    orders: readonly TrimOrder[],
    nowMs: number,
  ): Promise<{ readonly removed: number; readonly more: boolean }> {
    const isEmptyDue = this.#isUnfinished || Math.abs(nowMs - this.#emptyTrimMs) >= EMPTY_TRIM_INTERVAL_MS;
    if (orders.length === 0 && !isEmptyDue) return { removed: 0, more: false };
    this.#emptyTrimMs = nowMs;
    const outcome = await this.#queue.command('trim', commandBytes({ orders, nowMs }));
    const { removed, more } = outcome.kind === 'trimmed' ? outcome : { removed: 0, more: false };
    this.#isUnfinished = more;
    return { removed, more };
  }
}
