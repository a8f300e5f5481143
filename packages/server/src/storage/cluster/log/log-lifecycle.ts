import { ChangedAtStartError, JournalError } from '../journal.ts';
import type { LogView } from '../../view/log-view.ts';
import type { StorageLogger } from '../../home.ts';

/** Why a log has to be opened again. */
export type ResetReason = 'rolled_back' | 'new_epoch' | 'behind' | 'deposed' | 'passed_on' | 'view_lost' | 'outvoted';

const RESET_MESSAGES: Readonly<Record<ResetReason, string>> = {
  rolled_back: 'the brokers have lost blocks that this hub has applied',
  new_epoch: 'the journal has a new epoch',
  behind: 'the journal was trimmed beyond this hub',
  deposed: 'another hub works on subscriptions, because this one was silent',
  passed_on: 'events have other positions than those that readers received',
  view_lost: 'a write failed while the view was built',
  outvoted: 'the view of this hub differs from those of the others, so it is removed and built again',
};

export interface LogLifecycleParts {
  readonly view: Pick<LogView, 'applied' | 'state'>;
  readonly logger: StorageLogger;
  /** Rejects what waits for an outcome. */
  readonly abandon: () => void;
  /** Ends the waits for blocks. */
  readonly endWaits: () => void;
  /** Resolves when a loss of blocks that this hub alone may know is known to the journal. */
  readonly reportLoss: () => Promise<void>;
}

/**
 * Whether a log is the one that the other hubs have. It is caught up after the start, and ends by a
 * reset, or by a block that this version cannot apply.
 *
 * Example: brokers were rolled back, so the journal lacks blocks that the view has. The log then
 * stops (`reset`), `hub.ts` passes `onReset` on, and `ReopenedHub` opens it again.
 * `openMatchingView` of `open-cluster-log.ts` finds it out with `rollback-check.ts`, removes the
 * view and builds it from the journal, with a new epoch.
 */
export class LogLifecycle {
  readonly #parts: LogLifecycleParts;
  #isCaughtUp = false;
  /** The epoch that the rest of the hub knows: that of its start. */
  #epoch = '';
  #resetReason: ResetReason | undefined;
  #stopReason: string | undefined;
  #lossReported: Promise<void> | undefined;
  #isReset = false;
  #onReset: (() => void) | undefined;

  constructor(parts: LogLifecycleParts) {
    this.#parts = parts;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** No further block is applied. */
  get hasEnded(): boolean {
    return this.#resetReason !== undefined || this.#stopReason !== undefined;
  }

  /** This version cannot apply a block. */
  get isStopped(): boolean {
    return this.#stopReason !== undefined;
  }

  /** The view has to be removed. */
  get isViewWrong(): boolean {
    return this.#resetReason === 'outvoted';
  }

  get lossReported(): Promise<void> | undefined {
    return this.#lossReported;
  }

  /** @throws ChangedAtStartError after a reset, JournalError after a stop */
  assertNotEnded(): void {
    if (this.#resetReason !== undefined) throw new ChangedAtStartError(RESET_MESSAGES[this.#resetReason]);
    if (this.#stopReason !== undefined) throw new JournalError('unknown', this.#stopReason);
  }

  setCaughtUp(): void {
    this.#epoch = this.#parts.view.state.epoch;
    this.#isCaughtUp = true;
  }

  /** This hub itself begins an epoch, so the next one is no reset. */
  expectEpoch(): void {
    this.#isCaughtUp = false;
  }

  onReset(listener: () => void): void {
    this.#onReset = listener;
    if (this.#isReset) listener();
  }

  resetIfNewEpoch(): void {
    if (this.#isCaughtUp && this.#parts.view.applied.epoch !== this.#epoch) this.reset('new_epoch');
  }

  reset(reason: ResetReason): void {
    if (this.#resetReason !== undefined) return;
    this.#resetReason = reason;
    const { view, logger, abandon, reportLoss } = this.#parts;
    logger.error(
      { reason, sequence: view.applied.sequence },
      `cluster: ${RESET_MESSAGES[reason]}, opening the log again`,
    );
    // A caller that waits for an outcome would wait for ever, and the hub closes only after it.
    abandon();
    if (reason !== 'rolled_back') return this.#endReset();
    this.#lossReported = reportLoss();
    void this.#lossReported.then(() => this.#endReset());
  }

  stop(error: Error): void {
    this.#stopReason = error.message;
    this.#parts.abandon();
    this.#parts.logger.error(
      { error: error.message },
      'cluster: the journal has a block that this version cannot apply',
    );
    this.#endStart();
  }

  #endReset(): void {
    this.#endStart();
    this.#isReset = true;
    this.#onReset?.();
  }

  /** A start that waits for blocks would wait for ever. */
  #endStart(): void {
    if (!this.#isCaughtUp) this.#parts.endWaits();
  }
}
