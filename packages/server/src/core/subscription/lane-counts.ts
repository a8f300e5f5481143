import { NOTHING, type Lane } from './lane.ts';

/** How much there is of what is not done. */
export interface OpenCounts {
  /** Handed out, or leased. */
  readonly underWay: number;
  /** For the time of their next attempt. */
  readonly failing: number;
  /** For their turn, in memory or in the log alone. */
  readonly waiting: number;
}

/** Events behind restored lanes, in the log alone, of which it is not known how many are behind which. */
export class Uncounted {
  count = 0;
  #lanes = 0;

  /** A lane that some of them are behind. */
  add(lane: Lane): void {
    lane.hasUncounted = true;
    this.#lanes++;
  }

  /** @param count how many there are behind all lanes that were added */
  begin(count: number): void {
    if (this.#lanes > 0) this.count = count;
  }

  /** So many that were behind a lane in the log alone have come from there; where nothing is left there, that is how many there were. */
  found(lane: Lane, count: number): void {
    const isAll = lane.backlogAfter === NOTHING;
    if (lane.hasUncounted) this.count = Math.max(0, this.count - Math.max(0, count - lane.logged));
    lane.logged = isAll ? 0 : Math.max(0, lane.logged - count);
    if (!isAll || !lane.hasUncounted) return;
    lane.hasUncounted = false;
    if (--this.#lanes === 0) this.count = 0;
  }
}

/** What has been taken up and is not done. */
export function openCounts(lanes: Iterable<Lane>, uncounted: Uncounted): OpenCounts {
  let underWay = 0;
  let failing = 0;
  let waiting = uncounted.count;
  for (const { phase, isHeadDone, isAgain, span, queue, logged } of lanes) {
    waiting += (queue?.length ?? 0) + logged;
    if (phase === 'flying') {
      underWay += span;
      waiting -= span - 1;
    } else if (isHeadDone && !isAgain) continue;
    else if (phase === 'waiting') failing++;
    else waiting++;
  }
  return { underWay, failing, waiting };
}

/** Events behind lanes that the store knows. */
export function heldBehind(lanes: Iterable<Lane>, uncounted: Uncounted): number {
  let held = uncounted.count;
  for (const { queue, logged, storedPosition } of lanes)
    if (storedPosition !== NOTHING) held += (queue?.length ?? 0) + logged;
  return held;
}
