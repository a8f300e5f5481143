import type { OpenEvent } from '../definition.ts';
import { NO_POSITION, type Lane } from './lane.ts';
import type { StoreChange } from '../subscription-store.ts';

/** Appends the changes that bring the store's row of a lane up to date; none when the row is. */
export function storeLane(lane: Lane, subscription: string, changes: StoreChange[]): void {
  const { channel, position, attempts, dueMs, lease } = lane;
  const heldAfter = heldAfterOf(lane);
  if (
    lane.storedPosition === position &&
    lane.storedAttempts === attempts &&
    lane.storedDueMs === dueMs &&
    lane.storedLease === lease &&
    lane.storedHeldAfter === heldAfter
  )
    return;
  if (lane.storedPosition !== NO_POSITION && lane.storedPosition !== position)
    changes.push({ kind: 'closed', subscription, position: lane.storedPosition });
  const event: OpenEvent = {
    position,
    channel,
    attempts,
    dueMs,
    lease,
    heldAfter: heldAfter === NO_POSITION ? undefined : heldAfter,
    isAside: lane.isAside || undefined,
  };
  changes.push({ kind: 'open', subscription, event });
  markStored(lane, event);
}

/** Appends the change that removes the lane's row from the store. */
export function removeStoredLane(lane: Lane, subscription: string, changes: StoreChange[]): void {
  changes.push({ kind: 'closed', subscription, position: lane.storedPosition });
  lane.storedPosition = NO_POSITION;
}

/** Records on the lane what the store has. */
export function markStored(lane: Lane, { position, attempts, dueMs, lease, heldAfter = NO_POSITION }: OpenEvent): void {
  lane.storedPosition = position;
  lane.storedAttempts = attempts;
  lane.storedDueMs = dueMs;
  lane.storedLease = lease;
  lane.storedHeldAfter = heldAfter;
}

/** The lane's row in the store. */
export function storedEvent(lane: Lane): OpenEvent | undefined {
  const { channel, isAside, storedPosition, storedAttempts, storedDueMs, storedLease, storedHeldAfter } = lane;
  if (storedPosition === NO_POSITION) return undefined;
  return {
    position: storedPosition,
    channel,
    attempts: storedAttempts,
    dueMs: storedDueMs,
    lease: storedLease,
    heldAfter: storedHeldAfter === NO_POSITION ? undefined : storedHeldAfter,
    isAside: isAside || undefined,
  };
}

function heldAfterOf({ queue, backlogAfter, gapAfter }: Lane): number {
  if (gapAfter !== NO_POSITION) return gapAfter;
  return queue !== undefined && queue.length > 0 ? queue.at(0).position - 1 : backlogAfter;
}
