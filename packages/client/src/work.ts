import { createPullApi } from './work/pull-api.ts';
import { createSocketApi } from './work/socket-api.ts';
import { PullWorker, type JobHandler } from './work/worker.ts';
import type { PolycastEvent } from '@polycast/protocol';

export { PolycastError } from './errors.ts';
export { LeaseEndedError } from './work/settlements.ts';
export { RetryIn, type Job, type JobHandler } from './work/worker.ts';
export type { PolycastEvent } from '@polycast/protocol';

export interface WorkOptions {
  /**
   * One of the hub's keys (`pck_…`), with the scope `subscriptions`. A hub without access control
   * needs none.
   */
  readonly key?: string | undefined;
  /** The most events that are handled at once. @default 8 */
  readonly concurrency?: number;
  /**
   * The length of a lease, in seconds: after a crash of this worker, another one receives its
   * events by then. The worker extends its leases while a handler runs.
   * @default 30
   */
  readonly leaseSeconds?: number;
  /**
   * `http` pulls with requests that the hub holds. Over a `websocket` the hub pushes events, which
   * costs less when there are many.
   * @default http
   */
  readonly transport?: 'http' | 'websocket';
  /** Stops the worker, as `stop` does. */
  readonly signal?: AbortSignal;
  /**
   * Called with an error that a handler threw and its event, and with errors between the worker and
   * the hub. @default the console
   */
  readonly onError?: (error: unknown, event: PolycastEvent | undefined) => void;
  /** @default the platform's */
  readonly fetch?: typeof fetch;
  /** @default the platform's */
  readonly WebSocket?: typeof WebSocket;
}

export interface Work {
  /**
   * Takes no more events. Resolves once the started handlers have ended and the hub knows their
   * results. It waits for an unreachable hub until the leases of these events have ended.
   * @param graceMs the time for which handlers may still run, in milliseconds; after it the worker
   * releases their events for others. Without it there is no limit.
   */
  stop(graceMs?: number): Promise<void>;
  /**
   * Resolves when the worker has stopped.
   * Rejects with PolycastError when the hub refuses permanently, such as `not_found`.
   */
  readonly ended: Promise<void>;
}

const CONCURRENCY = 8;
const LEASE_SECONDS = 30;

/**
 * Handles the events of a pull subscription, as one of any number of workers (PROTOCOL.md section
 * 14.6). Each event is handled at least once. If the hub is unreachable, the worker waits for it.
 * @param url of the hub, such as `https://hub.example`
 * @param subscription its id (`sub_…`) or its name
 */
export function work(url: string | URL, subscription: string, handler: JobHandler, options: WorkOptions = {}): Work {
  const { key, concurrency = CONCURRENCY, leaseSeconds = LEASE_SECONDS, signal, onError = console.error } = options;
  if (!(concurrency >= 1)) throw new RangeError(`a worker cannot handle ${concurrency} events concurrently`);
  if (!(leaseSeconds >= 1)) throw new RangeError(`${leaseSeconds} s is not a valid lease`);
  const common = { url, subscription, key, leaseSeconds };
  const api =
    options.transport === 'websocket'
      ? createSocketApi({ ...common, WebSocket: options.WebSocket ?? WebSocket })
      : createPullApi({ ...common, fetch: options.fetch ?? fetch });
  const worker = new PullWorker(api, handler, { concurrency, leaseSeconds, onError });
  const ended = worker.run();
  // A caller that ignores `ended` receives a refusal through `onError`.
  ended.catch((error: unknown) => onError(error, undefined));
  const stop = (graceMs = Infinity): Promise<void> => {
    worker.stop(graceMs);
    return ended;
  };
  if (signal?.aborted === true) worker.stop(Infinity);
  signal?.addEventListener('abort', () => worker.stop(Infinity), { once: true });
  return { stop, ended };
}
