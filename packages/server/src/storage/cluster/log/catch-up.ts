import type { Journal } from '../journal.ts';
import { markUnlessFull } from '../journal-marks.ts';
import type { StorageLogger } from '../../home.ts';
import type { LogLifecycle } from './log-lifecycle.ts';
import type { LogView } from '../../view/log-view.ts';
import type { ReadBarrier } from '../read-barrier.ts';

/** The interval of log lines while a start applies the journal. */
const PROGRESS_INTERVAL_MS = 2_000;

export interface CatchUpParts {
  readonly journal: Pick<Journal, 'last'>;
  readonly view: Pick<LogView, 'applied' | 'endBuild'>;
  readonly barrier: Pick<ReadBarrier, 'whenApplied'>;
  readonly lifecycle: Pick<LogLifecycle, 'hasEnded' | 'lossReported' | 'reset'>;
  readonly logger: StorageLogger;
}

/**
 * Waits until the view has all that the journal had at this call, or the log has ended. Its blocks
 * are on their way already. Returns the sequence of the mark that shows the end of the journal; 0:
 * it has no room for one.
 * @param from the newest block that the view had before
 */
export async function catchUp(
  { journal, view, barrier, lifecycle, logger }: CatchUpParts,
  from: number,
  appendMark: () => Promise<number>,
): Promise<number> {
  let progress: NodeJS.Timeout | undefined;
  try {
    const mark = await markUnlessFull(appendMark);
    const last = mark || (await journal.last());
    // The mark is one of them.
    if (last - from > 1) logger.info({ blocks: last - from, from }, 'cluster: applying the journal');
    progress = setInterval(
      () => logger.info({ sequence: view.applied.sequence, last }, 'cluster: applying the journal'),
      PROGRESS_INTERVAL_MS,
    );
    // Once the journal was rolled back, or this version cannot apply a block, no more is applied.
    if (!lifecycle.hasEnded)
      await barrier.whenApplied(last, Infinity).catch((error: unknown) => {
        if (!lifecycle.hasEnded) throw error;
      });
    if (!lifecycle.hasEnded) await view.endBuild().catch(() => lifecycle.reset('view_lost'));
    return mark;
  } finally {
    clearInterval(progress);
    await lifecycle.lossReported;
  }
}
