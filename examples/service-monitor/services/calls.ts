import { createPublisher } from '@polycast/client/server';
import type { CircuitState, Outcome } from './breaker.ts';

/** One call from a service to another, or one request that a service has answered. */
export interface CallEvent {
  /** `storefront → payments`, or `payments` for a request at the service itself. */
  readonly circuit: string;
  readonly outcome: Outcome;
  readonly ms: number;
  readonly state?: CircuitState;
}

const FLUSH_MS = 50;
const WAITING_MAX = 5000;

const { POLYCAST_URL, POLYCAST_KEY, NAME } = process.env as Record<string, string>;
const hub = createPublisher(POLYCAST_URL as string, {
  key: POLYCAST_KEY as string,
  idempotent: false,
  timeoutMs: 1000,
});
let waiting: CallEvent[] = [];
let isSending = false;

/**
 * Reports a call. Monitoring never delays or fails the call: beyond a bound, reports are dropped.
 */
export function report(call: CallEvent): void {
  if (waiting.length < WAITING_MAX) waiting.push(call);
}

setInterval(() => {
  if (isSending || waiting.length === 0) return;
  const events = waiting.map((data) => ({ channel: `calls.${NAME}`, data }));
  waiting = [];
  isSending = true;
  hub
    .publishMany(events)
    .catch(() => {})
    .finally(() => (isSending = false));
}, FLUSH_MS);
