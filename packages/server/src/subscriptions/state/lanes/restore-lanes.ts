import type { Position } from '../../../core/ports.ts';
import type { OpenEvent } from '../definition.ts';
import type { RestoredBacklog } from './lane-counts.ts';
import { markStored } from './lane-persistence.ts';
import type { LaneSchedule } from './lane-schedule.ts';
import type { LaneSet } from './lane-set.ts';
import { NO_POSITION } from './lane.ts';
import { RestoredEvents } from './restored-events.ts';

/** The parts of a tracker that restored events go into. */
export interface RestoreTarget {
  readonly lanes: LaneSet;
  readonly schedule: LaneSchedule;
  readonly restoredBacklog: RestoredBacklog;
  readonly position: Position;
  readonly isOrdered: boolean;
}

/**
 * Restores the lanes of the events that were open at the last checkpoint. Leased events stay
 * leased. All others are due at their stored time.
 * @returns those beyond the tracker's position, which are read again
 */
export function restoreLanes(events: readonly OpenEvent[], target: RestoreTarget): RestoredEvents | undefined {
  const { lanes, position: through } = target;
  let restored: RestoredEvents | undefined;
  for (const event of events.toSorted((one, other) => one.position - other.position)) {
    if (event.position > through) (restored ??= new RestoredEvents()).add(event);
    const before = lanes.ofChannel(event.channel);
    // A channel may have two open events: the head of its lane, and a dead letter that is
    // retried. Older stores do not mark the dead letter. The earlier event is the head of the
    // lane if it has a backlog, else the later one is.
    const isAside = event.isAside === true || (before !== undefined && before.backlogAfter !== NO_POSITION);
    if (!isAside && before !== undefined) lanes.detach(before);
    restoreLane(event, isAside, target);
  }
  for (const { channel, position, isAside } of lanes.all()) {
    const lane = isAside ? lanes.ofChannel(channel) : undefined;
    if (lane !== undefined && lane.position < position) lane.addAside(position);
  }
  return restored;
}

function restoreLane(event: OpenEvent, isAside: boolean, target: RestoreTarget): void {
  const { lanes, schedule, restoredBacklog, position, isOrdered } = target;
  const lane = lanes.open(event.channel, event.position, undefined, isAside);
  lane.attempts = event.attempts;
  lane.lease = event.lease;
  const { heldAfter = NO_POSITION } = event;
  // Held events have been passed by the cursor. A `heldAfter` before the head marks a gap.
  const isGap = heldAfter !== NO_POSITION && heldAfter < event.position;
  const after = isGap ? event.position : heldAfter;
  lane.backlogAfter = after < position ? after : NO_POSITION;
  if (lane.backlogAfter !== NO_POSITION) restoredBacklog.addLane(lane);
  // Without an order, each new event has a lane of its own.
  if (!isOrdered) lane.backlogThrough = position;
  if (isGap) lane.gapAfter = heldAfter;
  if (isGap && event.lease === undefined) lane.rereadAfter(heldAfter);
  markStored(lane, event);
  if (event.lease === undefined) return schedule.waitUntil(lane, event.dueMs);
  lane.phase = 'in_flight';
  schedule.setLeaseEnd(lane, event.dueMs);
}
