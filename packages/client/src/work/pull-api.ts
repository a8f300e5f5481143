import type { PolycastEvent } from '@polycast/protocol';
import { sendRequest } from '../http.ts';

/** An event that this worker holds until its lease ends (PROTOCOL.md section 14.6). */
export interface LeasedEvent {
  readonly lease: string;
  /** The number of this delivery; 1 for the first. */
  readonly delivery: number;
  /** The trace context of the publisher, if it sent one (PROTOCOL.md section 8.7). */
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly event: PolycastEvent;
}

/**
 * The operations of workers on a pull subscription. Each rejects with EndedError when the hub
 * refuses.
 */
export interface PullApi {
  /** Pulls up to `count` events, at most 1000; waits for the first one. */
  pull(count: number, signal: AbortSignal): Promise<readonly LeasedEvent[]>;
  /**
   * Acknowledges events. This and the next two operations return the leases that had already ended.
   */
  acknowledge(leases: readonly string[]): Promise<readonly string[]>;
  release(leases: readonly string[], delaySeconds: number): Promise<readonly string[]>;
  extend(leases: readonly string[]): Promise<readonly string[]>;
  /** Releases its resources, after all results are sent. */
  close(): Promise<void>;
}

export interface PullApiOptions {
  readonly url: string | URL;
  readonly subscription: string;
  readonly key: string | undefined;
  readonly fetch: typeof fetch;
  readonly leaseSeconds: number;
}

const WAIT_SECONDS = 25;
/** A hub answers sooner than this. */
const ANSWER_TIMEOUT_MS = 10_000;

export function createPullApi({ url, subscription, key, fetch, leaseSeconds }: PullApiOptions): PullApi {
  const base = new URL(`/v1/subscriptions/${encodeURIComponent(subscription)}/`, url);
  const post = async <Answer>(
    route: string,
    body: object,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> => {
    const overdue = AbortSignal.timeout(timeoutMs);
    const response = await sendRequest({ fetch, token: key }, new URL(route, base), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: signal === undefined ? overdue : AbortSignal.any([overdue, signal]),
    });
    return (await response.json()) as Answer;
  };
  const settle = async (route: string, body: object): Promise<readonly string[]> =>
    (await post<{ notHeld: readonly string[] }>(route, body, ANSWER_TIMEOUT_MS)).notHeld;
  return {
    async pull(count, signal) {
      const body = { count, waitSeconds: WAIT_SECONDS, leaseSeconds };
      const timeoutMs = WAIT_SECONDS * 1000 + ANSWER_TIMEOUT_MS;
      return (await post<{ events: readonly LeasedEvent[] }>('pull', body, timeoutMs, signal)).events;
    },
    acknowledge: (leases) => settle('ack', { leases }),
    release: (leases, delaySeconds) => settle('nack', { leases, delaySeconds }),
    extend: (leases) => settle('extend', { leases, leaseSeconds }),
    close: () => Promise.resolve(),
  };
}
