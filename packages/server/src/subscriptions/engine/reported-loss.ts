import type { Position, StoredRecord } from '../../core/ports.ts';
import type { PageBounds } from '../../core/record-reader.ts';
import { createLossGap } from './gap.ts';

/**
 * What a consumer has been informed of: through which position lost events have been reported to it
 * as gaps. Each loss is reported once.
 *
 * Example: retention has deleted the events up to 9. The page after position 4 has `gapThrough` 9,
 * which becomes a gap from 4 to 9. The page is then read again, and has no unreported gap.
 */
export class ReportedLoss {
  /** Loss through here has been reported, or need not be. */
  #through: Position;
  /**
   * Like `#through`, for damaged events.
   * A consumer that starts at the earliest event hears of these too.
   */
  #corruptThrough: Position = 0;

  constructor(through: Position) {
    this.#through = through;
  }

  /**
   * Damage up to here has been reported for all channels, so a lane need not report it for its own.
   */
  get corruptThrough(): Position {
    return this.#corruptThrough;
  }

  /** Whether a page that starts after a position has a loss that has not been reported. */
  hasUnreported({ gapThrough, gapReason }: PageBounds, after: Position): boolean {
    return gapThrough > Math.max(after, gapReason === 'corrupt' ? this.#corruptThrough : this.#through);
  }

  /** The gap of a page with a loss that has not been reported, from now on reported. */
  report({ gapThrough, gapReason }: PageBounds, after: Position, epoch: string, nowMs: number): StoredRecord {
    const isDamage = gapReason === 'corrupt';
    if (isDamage) this.#corruptThrough = gapThrough;
    this.#through = isDamage ? Math.max(this.#through, gapThrough) : gapThrough;
    return createLossGap(epoch, after, gapThrough, gapReason, nowMs);
  }

  /** The log is read again from a position: an undelivered gap after it is stored nowhere else. */
  restartAt(position: Position): void {
    this.#through = Math.min(this.#through, position);
    this.#corruptThrough = Math.min(this.#corruptThrough, position);
  }
}
