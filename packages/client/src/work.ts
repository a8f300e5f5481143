import { createPullApi } from './work/pull-api.ts';
import { createSocketApi } from './work/socket-api.ts';
import { PullWorker, type JobHandler } from './work/worker.ts';
import type { PolycastEvent } from '@polycast/protocol';

export { PolycastError } from './errors.ts';
export { LeaseEndedError } from './work/settlements.ts';
export { RetryIn, type Job, type JobHandler } from './work/worker.ts';
export type { PolycastEvent } from '@polycast/protocol';

export interface WorkOptions {
  /** One of the hub's keys (`pck_…`), with the scope `subscriptions`. A hub without access control needs none. */
  readonly key?: string | undefined;
  /** Events that are being handled at once. @default 8 */
  readonly concurrency?: number;
  /**
   * How soon another worker is given what this one had when it crashed: leases are extended for as long as a handler takes.
   * @default 30
   */
  readonly leaseSeconds?: number;
  /**
   * `http` asks with requests that wait; over a `websocket` events come by themselves, which is less work where there are many.
   * @default http
   */
  readonly transport?: 'http' | 'websocket';
  /** Stops the worker, as `stop` does. */
  readonly signal?: AbortSignal;
  /** Told what a handler threw, with its event, and what came between worker and hub. @default the console */
  readonly onError?: (error: unknown, event: PolycastEvent | undefined) => void;
  /** @default the platform's */
  readonly fetch?: typeof fetch;
  /** @default the platform's */
  readonly WebSocket?: typeof WebSocket;
}

export interface Work {
  /**
   * Takes nothing more, and resolves once what was begun is done and told to the hub.
   * @param graceMs how long that may take before it is given back for others; unless given as long as it takes
   */
  stop(graceMs?: number): Promise<void>;
  /** Resolves when the work was stopped; rejects with PolycastError when the hub refuses for good, such as `not_found`. */
  readonly ended: Promise<void>;
}

const CONCURRENCY = 8;
const LEASE_SECONDS = 30;

/**
 * Handles the events of a pull subscription, as one of any number of workers (PROTOCOL.md section 14.6). An event is handled at least once; a
 * hub that is away is waited for.
 * @param url of the hub, such as `https://hub.example`
 * @param subscription its id, `sub_…`
 */
export function work(url: string | URL, subscription: string, handler: JobHandler, options: WorkOptions = {}): Work {
  const { key, concurrency = CONCURRENCY, leaseSeconds = LEASE_SECONDS, signal, onError = console.error } = options;
  if (!(concurrency >= 1)) throw new RangeError(`a worker cannot handle ${concurrency} events at once`);
  if (!(leaseSeconds >= 1)) throw new RangeError(`no lease lasts ${leaseSeconds} s`);
  const common = { url, subscription, key, leaseSeconds };
  const api =
    options.transport === 'websocket'
      ? createSocketApi({ ...common, WebSocket: options.WebSocket ?? WebSocket })
      : createPullApi({ ...common, fetch: options.fetch ?? fetch });
  const worker = new PullWorker(api, handler, { concurrency, leaseSeconds, onError });
  const ended = worker.run();
  // Who does not look at it hears of a refusal by `onError`.
  ended.catch((error: unknown) => onError(error, undefined));
  const stop = (graceMs = Infinity): Promise<void> => {
    worker.stop(graceMs);
    return ended;
  };
  if (signal?.aborted === true) worker.stop(Infinity);
  signal?.addEventListener('abort', () => worker.stop(Infinity), { once: true });
  return { stop, ended };
}
