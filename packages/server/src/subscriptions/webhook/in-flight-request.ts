import type { StoredRecord } from '../../core/ports.ts';
import type { Lane } from '../state/lane.ts';
import type { SendRequest } from '../state/ports.ts';
import type { AckTracker } from '../state/ack-tracker.ts';
import type { DurableConsumer } from '../engine/durable-consumer.ts';

/** A request under way. */
export interface InFlightRequest {
  readonly consumer: DurableConsumer;
  readonly tracker: AckTracker;
  /** One, or those that share the request. */
  readonly lanes: readonly Lane[];
  /** What it carries, in the order of the log. */
  readonly records: readonly StoredRecord[];
  readonly request: SendRequest;
  readonly startedMs: number;
  readonly isUnproven: boolean;
  readonly isProbe: boolean;
  /** Where it is noted for a hub that comes after a crash; -1 where it is not. */
  readonly journalSlot: number;
}
