import type { Feed } from '../../core/feed.ts';
import type { Clock } from '../../core/ports.ts';
import type { Semaphore } from '../../core/primitives/semaphore.ts';
import type { RecordPage } from '../../core/record-reader.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { EventSelection } from './event-selection.ts';
import { createLossGap } from './gap.ts';
import type { ReportedLoss } from './reported-loss.ts';

/** The consumer whose lanes are read. */
export interface LaneOwner {
  readonly tracker: AckTracker;
  readonly definition: { readonly types: readonly string[] | undefined };
  readonly reportedLoss: ReportedLoss;
  readonly selection: Pick<EventSelection, 'matching'>;
  /** Called after a read of the log. */
  schedule(): void;
}

interface LaneReadParts {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly reads: Semaphore;
}

/** Bytes of events in one page. */
export const PAGE_BYTES_MAX: number = 256 * 1024;
/** Delay before the log is read again after a failed read. */
export const READ_RETRY_MS = 1000;

/**
 * Reads the pages that lanes need: from memory immediately, else from the log. The executor is
 * notified after a read of the log.
 */
export function readLanes(parts: LaneReadParts, owner: LaneOwner): void {
  const { tracker } = owner;
  for (let lane = tracker.nextToRead(); lane !== undefined; lane = tracker.nextToRead())
    readLane(parts, owner, tracker, lane);
}

function readLane({ feed, reads, clock }: LaneReadParts, owner: LaneOwner, tracker: AckTracker, lane: Lane): void {
  const { after, through, countMax } = tracker.pageOf(lane);
  const { channel } = lane;
  const isHead = !lane.isHeadDone;
  const inMemory = isHead ? feed.find(channel, lane.position) : undefined;
  if (inMemory !== undefined) {
    tracker.onPageRead(lane, [inMemory], through);
    return;
  }
  const onPage = ({ records, reached, gapThrough, gapReason }: RecordPage): void => {
    const { epoch } = feed;
    // Events of the channel that retention has deleted become a gap at their place.
    const isReported = gapReason === 'corrupt' && gapThrough <= owner.reportedLoss.corruptThrough;
    const gap =
      !isHead && !isReported && gapThrough > after
        ? createLossGap(epoch, after, gapThrough, gapReason, clock.nowMs(), channel)
        : undefined;
    if (!tracker.onPageRead(lane, isHead ? records : owner.selection.matching(records), reached, gap))
      tracker.replaceHead(lane, createLossGap(epoch, after, lane.position, gapReason, clock.nowMs(), channel));
    owner.schedule();
  };
  const onError = (): void => {
    tracker.onReadFailed(lane, clock.nowMs() + READ_RETRY_MS);
    owner.schedule();
  };
  const interest = feed.interest([channel], isHead ? undefined : owner.definition.types);
  reads.run(() => feed.readRecords(interest, after, through, countMax, PAGE_BYTES_MAX)).then(onPage, onError);
}
