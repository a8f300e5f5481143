import type { Records } from '../core/record-reads.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { lossGap } from './gap.ts';
import type { Line, LineOwner, LineParts } from './line.ts';

/** Of events, in one page. */
export const PAGE_BYTES_MAX: number = 256 * 1024;
/** How soon a log that could not be read is asked again. */
export const READ_RETRY_MS = 1000;

/** Reads what lanes need that have waited, from memory at once, else from the log: then the owner is told when it is there. */
export function readLanes(parts: LineParts, owner: LineOwner, line: Line): void {
  const { progress } = line;
  for (let lane = progress.nextToRead(); lane !== undefined; lane = progress.nextToRead())
    readLane(parts, owner, line, progress, lane);
}

function readLane(
  { feed, reads, clock }: LineParts,
  owner: LineOwner,
  line: Line,
  progress: Progress,
  lane: Lane,
): void {
  const { after, through, countMax } = progress.pageOf(lane);
  const { channel } = lane;
  const isHead = !lane.isHeadDone;
  const inMemory = isHead ? feed.find(channel, lane.position) : undefined;
  if (inMemory !== undefined) {
    progress.arrived(lane, [inMemory], through);
    return;
  }
  const arrived = ({ records, reached, gapThrough, gapReason }: Records): void => {
    const { epoch } = feed;
    // What retention has taken of a channel is told in its place.
    const isTold = gapReason === 'corrupt' && gapThrough <= line.damageTold;
    const gap =
      !isHead && !isTold && gapThrough > after
        ? lossGap(epoch, after, gapThrough, gapReason, clock.nowMs(), channel)
        : undefined;
    if (!progress.arrived(lane, isHead ? records : line.wanted(records), reached, gap))
      progress.substitute(lane, lossGap(epoch, after, lane.position, gapReason, clock.nowMs(), channel));
    owner.ready(line);
  };
  const failed = (): void => {
    progress.unread(lane, clock.nowMs() + READ_RETRY_MS);
    owner.ready(line);
  };
  const interest = feed.interest([channel], isHead ? undefined : line.definition.types);
  reads.run(() => feed.readRecords(interest, after, through, countMax, PAGE_BYTES_MAX)).then(arrived, failed);
}
