import type { AttemptOutcome, SendResult } from '../state/ports.ts';
import type { DeliveryFeedback } from '../state/endpoint-limiter.ts';
import { RETRY_AFTER_MAX_MS } from '../state/retry.ts';

/** What an exchange with an endpoint says. */
export interface Classification {
  readonly outcome: AttemptOutcome;
  readonly feedback: DeliveryFeedback;
  /** How long the endpoint asks to be left alone: up to a day. */
  readonly retryAfterMs: number | undefined;
}

const DELIVERED: Classification = { outcome: 'delivered', feedback: 'success', retryAfterMs: undefined };

/** PROTOCOL.md section 14.4. */
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

/** Seconds, or one of HTTP's three forms of a date, up to what is obeyed; what is neither says nothing. */
function retryAfter(text: string | undefined, nowMs: number): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d+$/.test(trimmed)) return Math.min(Number(trimmed) * 1000, RETRY_AFTER_MAX_MS);
  if (!HTTP_DATE.test(trimmed)) return undefined;
  const dateMs = Date.parse(trimmed.endsWith('GMT') ? trimmed : `${trimmed} GMT`);
  return Number.isNaN(dateMs) ? undefined : Math.min(Math.max(0, dateMs - nowMs), RETRY_AFTER_MAX_MS);
}

/** All of them begin with the day of the week. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d\d:\d\d:\d\d/;
