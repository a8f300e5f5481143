import type { Position, StoredRecord } from '../../core/ports.ts';
import { NO_POSITION, type Lane } from './lanes/lane.ts';
import type { PendingDeliveryStatus, DeliveryStatus } from './ports.ts';
import type { AckTracker } from './lanes/ack-tracker.ts';
import type { Queue } from '../../core/primitives/queue.ts';

/**
 * The delivery status of an event that the subscription matches.
 * @param reached matching events after this position are not read yet
 * @param tracker `undefined` while no event is open
 */
export function deliveryStatusOf(
  reached: Position,
  tracker: AckTracker | undefined,
  { channel, position }: { readonly channel: string; readonly position: Position },
): DeliveryStatus {
  if (position > reached) return UNTRIED;
  if (tracker === undefined) return DONE;
  for (const lane of tracker.lanes.all()) {
    if (lane.channel !== channel || lane.phase === 'done') continue;
    if (lane.position === position && !lane.isHeadDone) return statusOfHead(lane);
    // Events behind the head of the lane, in memory or in the log alone.
    const isInBacklog = lane.backlogAfter !== NO_POSITION && position > lane.backlogAfter;
    const isHandedOut = lane.phase === 'in_flight' && isQueued(lane.queue, position, lane.handedOutCount - 1);
    if (position > lane.position && isHandedOut) return { ...UNTRIED, state: 'in_flight', tries: 1 };
    if (position > lane.position && (isInBacklog || isQueued(lane.queue, position))) return UNTRIED;
  }
  return DONE;
}

const UNTRIED: PendingDeliveryStatus = { state: 'waiting', tries: 0, leasedMs: undefined, dueMs: undefined };
const DONE: DeliveryStatus = { state: 'done' };

function statusOfHead({ phase, attempts, lease, leasedMs, dueMs }: Lane): DeliveryStatus {
  const isDue = phase === 'waiting' || (phase === 'in_flight' && lease !== undefined);
  return {
    state: phase === 'in_flight' ? 'in_flight' : 'waiting',
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
