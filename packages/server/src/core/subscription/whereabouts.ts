import type { Position, StoredRecord } from '../ports.ts';
import { NOTHING } from './lane.ts';
import type { Whereabouts } from './ports.ts';
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
  if (position > reached) return 'waiting';
  if (progress === undefined) return 'done';
  for (const lane of progress.lanes()) {
    if (lane.channel !== channel || lane.phase === 'over') continue;
    if (lane.position === position && !lane.isHeadDone) return lane.phase === 'flying' ? 'under_way' : 'waiting';
    // What stands behind another event of its channel, in memory or in the log alone.
    const isHeld = lane.backlogAfter !== NOTHING && position > lane.backlogAfter;
    if (position > lane.position && (isHeld || isQueued(lane.queue, position))) return 'waiting';
  }
  return 'done';
}

function isQueued(queue: Queue<StoredRecord> | undefined, position: Position): boolean {
  for (let index = 0; queue !== undefined && index < queue.length; index++)
    if (queue.at(index).position === position) return true;
  return false;
}
