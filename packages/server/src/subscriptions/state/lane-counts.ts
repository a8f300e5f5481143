import { NO_POSITION, type Lane } from './lane.ts';

/** How much there is of what is not done. */
export interface OpenCounts {
  /** Handed out, or leased. */
  readonly inFlight: number;
  /** For the time of their next attempt. */
  readonly failing: number;
  /** For their turn, in memory or in the log alone. */
  readonly waiting: number;
}

/** Events behind restored lanes, in the log alone, of which it is not known how many are behind which. */
export class UncountedBacklog {
  count = 0;
  #lanes = 0;

  /** A lane that some of them are behind. */
  addLane(lane: Lane): void {
    lane.hasUncountedBacklog = true;
    this.#lanes++;
  }

  /** @param count how many there are behind all lanes that were added */
  setCount(count: number): void {
    if (this.#lanes > 0) this.count = count;
  }

  /** So many that were behind a lane in the log alone have come from there; where nothing is left there, that is how many there were. */
  onRead(lane: Lane, count: number): void {
    const isAll = lane.backlogAfter === NO_POSITION;
    if (lane.hasUncountedBacklog) this.count = Math.max(0, this.count - Math.max(0, count - lane.backlogCount));
    lane.backlogCount = isAll ? 0 : Math.max(0, lane.backlogCount - count);
    if (!isAll || !lane.hasUncountedBacklog) return;
    lane.hasUncountedBacklog = false;
    if (--this.#lanes === 0) this.count = 0;
  }
}

/** What has been taken up and is not done. */
export function openCounts(lanes: Iterable<Lane>, uncounted: UncountedBacklog): OpenCounts {
  let inFlight = 0;
  let failing = 0;
  let waiting = uncounted.count;
  for (const { phase, isHeadDone, keepsAttempts, handedOutCount, queue, backlogCount } of lanes) {
    waiting += (queue?.length ?? 0) + backlogCount;
    if (phase === 'in_flight') {
      inFlight += handedOutCount;
      waiting -= handedOutCount - 1;
    } else if (isHeadDone && !keepsAttempts) continue;
    else if (phase === 'waiting') failing++;
    else waiting++;
  }
  return { inFlight, failing, waiting };
}

/** Events behind lanes that the store knows. */
export function countBehindStoredLanes(lanes: Iterable<Lane>, uncounted: UncountedBacklog): number {
  let held = uncounted.count;
  for (const { queue, backlogCount, storedPosition } of lanes)
    if (storedPosition !== NO_POSITION) held += (queue?.length ?? 0) + backlogCount;
  return held;
}
