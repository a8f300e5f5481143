import type { StoredRecord } from '../../core/ports.ts';
import type { WebhookDelivery } from '../state/definition.ts';
import type { Dialect } from '../state/dialect.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { SendRequest } from '../state/sender.ts';
import { webhookRequest } from './request/webhook-request.ts';

/** A request, or the lanes whose first event fits into no request. */
export type AssembledRequest = { readonly request: SendRequest } | UnsendableLanes;

export interface UnsendableLanes {
  readonly broken: readonly Lane[];
  readonly error: unknown;
}

/**
 * Assembles the request of the events that were handed out. On failure, `broken` contains the lanes
 * whose first event is at fault, or all lanes if no single event is. Each other lane with such an
 * event then hands out only the events in front of it.
 */
export function assembleRequest(
  dialect: Dialect,
  delivery: WebhookDelivery,
  lanes: readonly Lane[],
  records: readonly StoredRecord[],
  epoch: string,
  nowMs: number,
): AssembledRequest {
  try {
    return { request: webhookRequest(dialect, delivery, records, epoch, nowMs) };
  } catch (error) {
    const broken = lanes.filter((lane) => {
      const events = handedOutRecords([lane]);
      const faultAt = events.findIndex((event) => !canBeSent(dialect, delivery, event, epoch, nowMs));
      if (faultAt > 0) lane.narrow(faultAt);
      return faultAt === 0;
    });
    const isNarrowed = handedOutRecords(lanes).length < records.length;
    return { broken: broken.length > 0 || isNarrowed ? broken : lanes, error };
  }
}

/** The events that the lanes hand out, in log order. */
export function handedOutRecords(lanes: readonly Lane[]): StoredRecord[] {
  const records: StoredRecord[] = [];
  for (const lane of lanes) lane.collectHandedOut(records);
  return lanes.length > 1 ? records.sort((first, second) => first.position - second.position) : records;
}

function canBeSent(
  dialect: Dialect,
  delivery: WebhookDelivery,
  event: StoredRecord,
  epoch: string,
  nowMs: number,
): boolean {
  try {
    webhookRequest(dialect, delivery, [event], epoch, nowMs);
    return true;
  } catch {
    return false;
  }
}
