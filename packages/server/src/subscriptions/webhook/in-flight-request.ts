import type { StoredRecord } from '../../core/ports.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { SendRequest } from '../state/ports.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { WebhookConsumer } from './webhook-consumer.ts';

/** A request in flight. */
export interface InFlightRequest {
  readonly consumer: WebhookConsumer;
  readonly tracker: AckTracker;
  /** One lane, or the lanes that share the request as a batch. */
  readonly lanes: readonly Lane[];
  /** The events of the request, in log order. */
  readonly records: readonly StoredRecord[];
  readonly request: SendRequest;
  readonly startedMs: number;
  readonly isUnproven: boolean;
  readonly isProbe: boolean;
  /** Slot in the in-flight journal; -1 if the request is not recorded. */
  readonly journalSlot: number;
}
