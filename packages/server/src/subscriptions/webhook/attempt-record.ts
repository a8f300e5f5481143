import type { Attempt, SendRequest, SendResult } from '../state/ports.ts';
import type { InFlightRequest } from './in-flight-request.ts';
import { isGap } from '../engine/gap.ts';

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
