import type { RecordPage } from '../../core/record-reader.ts';
import type { Lane } from '../state/lane.ts';
import type { AckTracker } from '../state/ack-tracker.ts';
import { createLossGap } from './gap.ts';
import type { DurableConsumer, Executor, DurableConsumerParts } from './durable-consumer.ts';

/** Bytes of events in one page. */
export const PAGE_BYTES_MAX: number = 256 * 1024;
/** Delay before the log is read again after a failed read. */
export const READ_RETRY_MS = 1000;

/**
 * Reads the pages that lanes need: from memory at once, else from the log. The executor is notified
 * after a read of the log.
 */
export function readLanes(parts: DurableConsumerParts, executor: Executor, consumer: DurableConsumer): void {
  const { tracker } = consumer;
  for (let lane = tracker.nextToRead(); lane !== undefined; lane = tracker.nextToRead())
    readLane(parts, executor, consumer, tracker, lane);
}

function readLane(
  { feed, reads, clock }: DurableConsumerParts,
  executor: Executor,
  consumer: DurableConsumer,
  tracker: AckTracker,
  lane: Lane,
): void {
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
    const isReported = gapReason === 'corrupt' && gapThrough <= consumer.corruptionReportedThrough;
    const gap =
      !isHead && !isReported && gapThrough > after
        ? createLossGap(epoch, after, gapThrough, gapReason, clock.nowMs(), channel)
        : undefined;
    if (!tracker.onPageRead(lane, isHead ? records : consumer.matching(records), reached, gap))
      tracker.replaceHead(lane, createLossGap(epoch, after, lane.position, gapReason, clock.nowMs(), channel));
    executor.schedule(consumer);
  };
  const onError = (): void => {
    tracker.onReadFailed(lane, clock.nowMs() + READ_RETRY_MS);
    executor.schedule(consumer);
  };
  const interest = feed.interest([channel], isHead ? undefined : consumer.definition.types);
  reads.run(() => feed.readRecords(interest, after, through, countMax, PAGE_BYTES_MAX)).then(onPage, onError);
}
