import type { StoredRecord } from '../core/ports.ts';
import type { SubscriptionDefinition } from '../core/subscription/definition.ts';
import type { Lane } from '../core/subscription/lane.ts';
import type { SendRequest } from '../core/subscription/ports.ts';
import type { Progress } from '../core/subscription/progress.ts';
import { requestOf } from './webhook/request.ts';

/** A request; or lanes of each of which no request can be made, for their first event. */
export type Assembled = { readonly request: SendRequest } | Broken;

export interface Broken {
  readonly broken: readonly Lane[];
  readonly error: unknown;
}

/**
 * Makes the request of what was handed out. Where that fails, the lanes whose first event is at fault are `broken`, all of them when no
 * single event is; from then on each of the other lanes hands out only the events in front of the first that is at fault.
 */
export function assemble(
  definition: SubscriptionDefinition,
  progress: Progress,
  lanes: readonly Lane[],
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
): Assembled {
  try {
    return { request: requestOf(definition, records, epoch, nowMs) };
  } catch (error) {
    const broken = lanes.filter((lane) => {
      const events = recordsOf(progress, [lane]);
      const faultAt = events.findIndex((event) => !canBeSent(definition, event, epoch, nowMs));
      if (faultAt > 0) progress.narrow(lane, faultAt);
      return faultAt === 0;
    });
    const isNarrowed = recordsOf(progress, lanes).length < records.length;
    return { broken: broken.length > 0 || isNarrowed ? broken : lanes, error };
  }
}

/** What lanes hand out, in the order of the log. */
export function recordsOf(progress: Progress, lanes: readonly Lane[]): StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const lane of lanes) progress.handedOut(lane, records);
  return lanes.length > 1 ? records.sort((first, second) => first.position - second.position) : records;
}

function canBeSent(definition: SubscriptionDefinition, event: StoredRecord, epoch: string, nowMs: number): boolean {
  try {
    requestOf(definition, [event], epoch, nowMs);
    return true;
  } catch {
    return false;
  }
}
