import type { StoredRecord } from '../../core/ports.ts';
import type { SubscriptionDefinition } from '../state/definition.ts';
import type { Lane } from '../state/lane.ts';
import type { SendRequest } from '../state/ports.ts';
import type { AckTracker } from '../state/ack-tracker.ts';
import { webhookRequest } from './request/webhook-request.ts';

/** A request; or lanes of each of which no request can be made, for their first event. */
export type AssembledRequest = { readonly request: SendRequest } | UnsendableLanes;

export interface UnsendableLanes {
  readonly broken: readonly Lane[];
  readonly error: unknown;
}

/**
 * Makes the request of what was handed out. Where that fails, the lanes whose first event is at fault are `broken`, all of them when no
 * single event is; from then on each of the other lanes hands out only the events in front of the first that is at fault.
 */
export function assembleRequest(
  definition: SubscriptionDefinition,
  tracker: AckTracker,
  lanes: readonly Lane[],
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
): AssembledRequest {
  try {
    return { request: webhookRequest(definition, records, epoch, nowMs) };
  } catch (error) {
    const broken = lanes.filter((lane) => {
      const events = handedOutRecords(tracker, [lane]);
      const faultAt = events.findIndex((event) => !canBeSent(definition, event, epoch, nowMs));
      if (faultAt > 0) tracker.narrow(lane, faultAt);
      return faultAt === 0;
    });
    const isNarrowed = handedOutRecords(tracker, lanes).length < records.length;
    return { broken: broken.length > 0 || isNarrowed ? broken : lanes, error };
  }
}

/** What lanes hand out, in the order of the log. */
export function handedOutRecords(tracker: AckTracker, lanes: readonly Lane[]): StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const lane of lanes) tracker.collectHandedOut(lane, records);
  return lanes.length > 1 ? records.sort((first, second) => first.position - second.position) : records;
}

function canBeSent(definition: SubscriptionDefinition, event: StoredRecord, epoch: string, nowMs: number): boolean {
  try {
    webhookRequest(definition, [event], epoch, nowMs);
    return true;
  } catch {
    return false;
  }
}
