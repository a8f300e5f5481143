import type { Attempt, SendRequest, Sent } from '../core/subscription/ports.ts';
import type { Flight } from './flight.ts';
import { isGap } from './gap.ts';

/** What is kept of a request that has come back; to be asked for before its lanes move on. */
export function attemptOf(
  { line, lanes, records, request, begunMs }: Flight,
  epoch: string,
  number: number,
  sent: Sent,
  outcome: Attempt['outcome'],
): Attempt {
  // A gap stands at no event's place.
  const events = records.filter((record) => !isGap(record));
  const [position = 0, ...others] = events.map((record) => record.position);
  return {
    subscription: line.root.id,
    number,
    epoch,
    position,
    others,
    isGap: events.length < records.length,
    count: records.length,
    attempt: Math.max(...lanes.map(({ attempts }) => attempts)),
    startedMs: begunMs,
    outcome,
    request: keptRequest(request),
    answer: keptAnswer(sent),
    timing: sent.timing,
    detail: sent.detail,
  };
}

/** What is kept of a request with something that is in no log: a question, or a sample. */
export function attemptApart(
  known: Pick<Attempt, 'subscription' | 'number' | 'epoch' | 'attempt' | 'startedMs' | 'outcome' | 'detail'>,
  request: Pick<SendRequest, 'url' | 'headers' | 'body'>,
  sent: Sent,
): Attempt {
  return {
    ...known,
    position: 0,
    others: [],
    isGap: false,
    count: 1,
    request: keptRequest(request),
    answer: keptAnswer(sent),
    timing: sent.timing,
  };
}

function keptRequest({ url, headers, body }: Pick<SendRequest, 'url' | 'headers' | 'body'>): Attempt['request'] {
  return { url, headers, bodyBytes: body?.length ?? 0 };
}

/** Of an answer from inside nothing is shown (PROTOCOL.md section 14.3). */
function keptAnswer({ answer, isInside }: Sent): Attempt['answer'] {
  return isInside ? undefined : answer;
}
