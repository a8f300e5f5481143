import type { AttemptOutcome } from '../state/ports.ts';
import type { SendResult } from '../state/sender.ts';
import type { FailureFeedback } from './pacing/endpoint-limiter.ts';
import { RETRY_AFTER_MAX_MS } from './pacing/retry-schedule.ts';

/** The meaning of an exchange with an endpoint. */
export type Classification = Delivered | Failed;

interface Delivered {
  readonly outcome: 'delivered';
  readonly feedback: undefined;
  readonly retryAfterMs: undefined;
}

export interface Failed {
  readonly outcome: Exclude<AttemptOutcome, 'delivered'>;
  readonly feedback: FailureFeedback;
  /** The time for which the endpoint requests no attempts: at most a day. */
  readonly retryAfterMs: number | undefined;
}

const DELIVERED: Delivered = { outcome: 'delivered', feedback: undefined, retryAfterMs: undefined };

/**
 * Classifies an exchange by PROTOCOL.md section 14.4. Example: status 503 with `Retry-After: 120`
 * is `slowed_down`, with the feedback `overloaded` and 120,000 ms.
 */
export function classify({ failure, answer }: SendResult, nowMs: number): Classification {
  if (failure !== undefined || answer === undefined)
    return { outcome: failure ?? 'answer', feedback: 'overloaded', retryAfterMs: undefined };
  const { status } = answer;
  if (status >= 200 && status < 300) return DELIVERED;
  const retryAfterMs = retryAfter(answer.headers['retry-after'], nowMs);
  if (status === 410) return { outcome: 'gone', feedback: 'rejected', retryAfterMs: undefined };
  if (status === 429 || status === 502 || status === 503 || status === 504)
    return { outcome: 'slowed_down', feedback: 'overloaded', retryAfterMs };
  if (status >= 300 && status < 400) return { outcome: 'redirected', feedback: 'rejected', retryAfterMs: undefined };
  return { outcome: 'refused_status', feedback: 'rejected', retryAfterMs };
}

/**
 * Parses `Retry-After`: seconds, or one of HTTP's three date formats. Caps it at
 * `RETRY_AFTER_MAX_MS`. Returns `undefined` for any other text.
 */
function retryAfter(text: string | undefined, nowMs: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d+$/.test(trimmed)) return Math.min(Number(trimmed) * 1000, RETRY_AFTER_MAX_MS);
  if (!HTTP_DATE.test(trimmed)) return undefined;
  const dateMs = Date.parse(trimmed.endsWith('GMT') ? trimmed : `${trimmed} GMT`);
  return Number.isNaN(dateMs) ? undefined : Math.min(Math.max(0, dateMs - nowMs), RETRY_AFTER_MAX_MS);
}

/** All three formats begin with the day of the week. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/;
