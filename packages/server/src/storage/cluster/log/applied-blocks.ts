import type { TrimOrder } from '../../../core/ports.ts';
import type { Block } from '../../view/block.ts';
import type { BlockOutcome, LogView } from '../../view/log-view.ts';
import { eraseOrderOf, parseBlockId, trimOrdersOf } from '../../view/view-state.ts';
import type { AppliedListener } from '../block-applier.ts';
import type { BlockQueue } from '../block-queue.ts';
import type { ClusterErasing } from '../cluster-erasing.ts';
import type { ReadBarrier } from '../read-barrier.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import type { ViewComparison } from '../view-comparison.ts';
import type { ClusterStores } from './cluster-stores.ts';
import type { EarlyEvents } from './early-events.ts';
import type { LogLifecycle } from './log-lifecycle.ts';

interface AppliedBlocksParts {
  readonly incarnation: string;
  readonly view: Pick<LogView, 'release'>;
  readonly early: EarlyEvents;
  readonly queue: BlockQueue;
  readonly barrier: ReadBarrier;
  readonly comparison: ViewComparison;
  readonly stores: ClusterStores;
  readonly erasing: ClusterErasing;
  readonly lifecycle: LogLifecycle;
  readonly snapshotter: Snapshotter | undefined;
  readonly isTrimmer: () => boolean;
  /** Blocks are passed on only while the log is available. */
  readonly isAvailable: () => boolean;
}

/**
 * Tells the parts of a log what each block did, once the view has applied it. Example: a block with
 * events of this hub answers its publishers, and ends the waits for its position.
 */
export class AppliedBlocks implements AppliedListener {
  readonly #parts: AppliedBlocksParts;
  #count = 0;
  onTrimmed: ((orders: readonly TrimOrder[]) => void) | undefined;

  constructor(parts: AppliedBlocksParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#count;
  }

  passOn(block: Block): boolean {
    const { early, queue, isAvailable } = this.#parts;
    if (!isAvailable()) return false;
    const effect = early.passOn(block);
    if (effect === undefined) return false;
    if (this.isOwn(block)) queue.onOutcome(block.id, effect);
    return true;
  }

  onApplied(block: Block, outcome: BlockOutcome): void {
    const { early, queue, barrier, comparison, stores, erasing, lifecycle, view } = this.#parts;
    if (!early.onApplied(block, outcome)) lifecycle.reset('passed_on');
    this.#count++;
    if (outcome.kind === 'subscriptions') comparison.reportOwner(outcome.lease.owner);
    comparison.onApplied(block.sequence, outcome.hash);
    if (outcome.kind === 'trimmed') this.onTrimmed?.(outcome.orders);
    if (outcome.kind === 'erased') erasing.onApplied(outcome.order);
    stores.onApplied(block, outcome, this.isOwn(block));
    if (this.isOwn(block)) queue.onOutcome(block.id, outcome);
    barrier.onApplied(block.sequence);
    // A snapshot of a wrong view would make other hubs wrong.
    if (lifecycle.isCaughtUp && this.#parts.isTrimmer() && !comparison.mayBeWrong)
      this.#parts.snapshotter?.onApplied(block.data.byteLength);
    if (outcome.kind === 'epoch') lifecycle.resetIfNewEpoch();
    view.release(block);
  }

  onOutcomeLost(block: Block): void {
    const { early, queue, barrier, stores, erasing, lifecycle } = this.#parts;
    early.onOutcomeLost(block);
    if (block.kind === 'trim') this.onTrimmed?.(trimOrdersOf(block));
    if (block.kind === 'erase') erasing.onApplied(eraseOrderOf(block));
    stores.onOutcomeLost(block);
    if (this.isOwn(block)) queue.onOutcomeLost(block.id);
    barrier.onApplied(block.sequence);
    lifecycle.resetIfNewEpoch();
  }

  onStopped(error: Error): void {
    this.#parts.lifecycle.stop(error);
  }

  onViewLost(): void {
    this.#parts.lifecycle.reset('view_lost');
  }

  /** Whether this process made the block. */
  isOwn({ id }: Block): boolean {
    return parseBlockId(id).incarnation === this.#parts.incarnation;
  }
}
