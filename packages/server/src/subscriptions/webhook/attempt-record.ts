import type { StoredRecord } from '../../core/ports.ts';
import { isGap } from '../engine/gap.ts';
import type { AckTracker } from '../state/lanes/ack-tracker.ts';
import type { Lane } from '../state/lanes/lane.ts';
import type { Attempt } from '../state/ports.ts';
import type { AttemptSpan } from '../state/delivery-tracer.ts';
import type { SendRequest, SendResult } from '../state/sender.ts';
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
  /** The span of the request; `undefined` if it is not recorded. */
  readonly span: AttemptSpan | undefined;
}

/** The record of a completed request. Call it before the state of its lanes changes. */
export function attemptOf(
  { consumer, lanes, records, request, startedMs }: InFlightRequest,
  epoch: string,
  number: number,
  sent: SendResult,
  outcome: Attempt['outcome'],
): Attempt {
  // A gap is not at the position of an event.
  const events = records.filter((record) => !isGap(record));
  const [position = 0, ...others] = events.map((record) => record.position);
  return {
    subscription: consumer.primary.id,
    number,
    epoch,
    position,
    others,
    isGap: events.length < records.length,
    count: records.length,
    attempt: Math.max(...lanes.map(({ attempts }) => attempts)),
    startedMs: startedMs,
    outcome,
    request: recordedRequest(request),
    answer: recordedResponse(sent),
    timing: sent.timing,
    detail: sent.detail,
  };
}

/** The record of a request without an event of the log: a verification or a sample. */
export function attemptWithoutEvent(
  known: Pick<Attempt, 'subscription' | 'number' | 'epoch' | 'attempt' | 'startedMs' | 'outcome' | 'detail'>,
  request: Pick<SendRequest, 'url' | 'headers' | 'body'>,
  sent: SendResult,
): Attempt {
  return {
    ...known,
    position: 0,
    others: [],
    isGap: false,
    count: 1,
    request: recordedRequest(request),
    answer: recordedResponse(sent),
    timing: sent.timing,
  };
}

function recordedRequest({ url, headers, body }: Pick<SendRequest, 'url' | 'headers' | 'body'>): Attempt['request'] {
  return { url, headers, bodyBytes: body?.length ?? 0 };
}

/** A response from a private address is not recorded (PROTOCOL.md section 14.3). */
function recordedResponse({ answer, isPrivateAddress }: SendResult): Attempt['answer'] {
  return isPrivateAddress ? undefined : answer;
}
