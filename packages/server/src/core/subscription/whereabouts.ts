import type { Position, StoredRecord } from '../ports.ts';
import { NOTHING, type Lane } from './lane.ts';
import type { OpenWhereabouts, Whereabouts } from './ports.ts';
import type { Progress } from './progress.ts';
import type { Queue } from '../queue.ts';

/**
 * How far a subscription is with an event that it means.
 * @param reached all that is meant after this is still to be read
 * @param progress `undefined` while nothing is open
 */
export function whereaboutsOf(
  reached: Position,
  progress: Progress | undefined,
  { channel, position }: { readonly channel: string; readonly position: Position },
): Whereabouts {
  if (position > reached) return UNTRIED;
  if (progress === undefined) return DONE;
  for (const lane of progress.lanes()) {
    if (lane.channel !== channel || lane.phase === 'over') continue;
    if (lane.position === position && !lane.isHeadDone) return ofHead(lane);
    // What stands behind another event of its channel, in memory or in the log alone.
    const isHeld = lane.backlogAfter !== NOTHING && position > lane.backlogAfter;
    const isTogether = lane.phase === 'flying' && isQueued(lane.queue, position, lane.span - 1);
    if (position > lane.position && isTogether) return { ...UNTRIED, state: 'under_way', tries: 1 };
    if (position > lane.position && (isHeld || isQueued(lane.queue, position))) return UNTRIED;
  }
  return DONE;
}

const UNTRIED: OpenWhereabouts = { state: 'waiting', tries: 0, leasedMs: undefined, dueMs: undefined };
const DONE: Whereabouts = { state: 'done' };

function ofHead({ phase, attempts, lease, leasedMs, dueMs }: Lane): Whereabouts {
  const isDue = phase === 'waiting' || (phase === 'flying' && lease !== undefined);
  return {
    state: phase === 'flying' ? 'under_way' : 'waiting',
    tries: attempts,
    leasedMs: attempts > 0 && leasedMs > 0 ? leasedMs : undefined,
    dueMs: isDue ? dueMs : undefined,
  };
}

function isQueued(queue: Queue<StoredRecord> | undefined, position: Position, countMax = Infinity): boolean {
  for (let index = 0; queue !== undefined && index < Math.min(queue.length, countMax); index++)
    if (queue.at(index).position === position) return true;
  return false;
}
