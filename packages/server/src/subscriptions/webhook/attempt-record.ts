import type { Attempt, SendRequest, SendResult } from '../state/ports.ts';
import type { InFlightRequest } from './in-flight-request.ts';
import { isGap } from '../engine/gap.ts';

/** What is kept of a request that has come back; to be asked for before its lanes move on. */
export function attemptOf(
  { consumer, lanes, records, request, startedMs }: InFlightRequest,
  epoch: string,
  number: number,
  sent: SendResult,
  outcome: Attempt['outcome'],
): Attempt {
  // A gap stands at no event's place.
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

/** What is kept of a request with something that is in no log: a question, or a sample. */
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

/** Of an answer from inside nothing is shown (PROTOCOL.md section 14.3). */
function recordedResponse({ answer, isPrivateAddress }: SendResult): Attempt['answer'] {
  return isPrivateAddress ? undefined : answer;
}
