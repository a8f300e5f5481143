import type { PolycastEvent } from '@polycast/protocol';
import { sendRequest } from '../http.ts';

/** An event that this worker has until its lease ends (PROTOCOL.md section 14.6). */
export interface LeasedEvent {
  readonly lease: string;
  /** 1 for the first time. */
  readonly delivery: number;
  readonly event: PolycastEvent;
}

/** What workers ask of a pull subscription. Rejects as `exchange` does. */
export interface PullApi {
  /** Up to so many events, at most 1000; waits for the first one. */
  pull(count: number, signal: AbortSignal): Promise<readonly LeasedEvent[]>;
  /** All of these return the leases that had ended. */
  acknowledge(leases: readonly string[]): Promise<readonly string[]>;
  release(leases: readonly string[], delaySeconds: number): Promise<readonly string[]>;
  extend(leases: readonly string[]): Promise<readonly string[]>;
  /** Lets go of what there is, once all is told. */
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
/** Beyond what a hub takes to answer. */
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
