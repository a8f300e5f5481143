import { NO_POSITION, type Lane } from './lane.ts';

/** Open events of a tracker, by what they wait for. */
export interface OpenCounts {
  /** Handed out or leased. */
  readonly inFlight: number;
  /** Wait for the time of their next attempt. */
  readonly failing: number;
  /** Wait for their turn, in memory or in the log alone. */
  readonly waiting: number;
}

/**
 * Counts the backlog of restored lanes: events in the log alone that the cursor had passed. Only
 * the sum over all lanes is known, not how many are behind each lane.
 */
export class RestoredBacklog {
  count = 0;
  #lanes = 0;

  /** Adds a lane with such a backlog. */
  addLane(lane: Lane): void {
    lane.hasRestoredBacklog = true;
    this.#lanes++;
  }

  /** @param count number of these events behind all added lanes together */
  setCount(count: number): void {
    if (this.#lanes > 0) this.count = count;
  }

  /**
   * A lane has read `count` events of its backlog. When its backlog is empty, its part is known.
   */
  onRead(lane: Lane, count: number): void {
    const isAll = lane.backlogAfter === NO_POSITION;
    if (lane.hasRestoredBacklog) this.count = Math.max(0, this.count - Math.max(0, count - lane.backlogCount));
    lane.backlogCount = isAll ? 0 : Math.max(0, lane.backlogCount - count);
    if (!isAll || !lane.hasRestoredBacklog) return;
    lane.hasRestoredBacklog = false;
    if (--this.#lanes === 0) this.count = 0;
  }
}

/** Number of open events, by what they wait for. */
export function openCounts(lanes: Iterable<Lane>, restoredBacklog: RestoredBacklog): OpenCounts {
  let inFlight = 0;
  let failing = 0;
  let waiting = restoredBacklog.count;
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

/** Number of events behind the lanes that the store has. */
export function countBehindStoredLanes(lanes: Iterable<Lane>, restoredBacklog: RestoredBacklog): number {
  let held = restoredBacklog.count;
  for (const { queue, backlogCount, storedPosition } of lanes)
    if (storedPosition !== NO_POSITION) held += (queue?.length ?? 0) + backlogCount;
  return held;
}
