import type { PolycastEvent } from '@polycast/protocol';
import { PolycastError } from '../errors.ts';
import { endingOf } from '../http.ts';
import { backoffMs } from '../machine/backoff.ts';
import { sleep } from '../sleep.ts';
import type { LeasedEvent, PullApi } from './pull-api.ts';
import { Settlements } from './settlements.ts';

/** A handler's context beside the event. */
export interface Job {
  /** The number of this delivery, to any worker; 1 for the first. */
  readonly delivery: number;
  /**
   * Aborts when the worker no longer holds the event: its lease has ended, or the grace of `stop`
   * is over.
   */
  readonly signal: AbortSignal;
  /** The W3C trace context of the publisher, if it sent one (PROTOCOL.md section 8.7). */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/**
 * Handles an event. The event is done when the handler returns or its promise resolves. If it
 * throws, the event is redelivered after 1, 2, 4, … up to 300 seconds, or as a `RetryIn` says.
 */
export type JobHandler = (event: PolycastEvent, job: Job) => unknown;

export interface WorkerSettings {
  readonly concurrency: number;
  readonly leaseSeconds: number;
  readonly onError: (error: unknown, event: PolycastEvent | undefined) => void;
}

/**
 * Thrown by a handler to receive its event again after `seconds`, without a report to `onError`.
 * The delivery counts: after `deliveriesMax` of them the event is a dead letter.
 */
export class RetryIn extends Error {
  override readonly name = 'RetryIn';
  readonly seconds: number;

  constructor(seconds: number) {
    super(`next attempt in ${seconds} s`);
    this.seconds = seconds;
  }
}

interface HeldEvent extends LeasedEvent {
  readonly abort: AbortController;
}

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
const RETRY_SECONDS_MAX = 300;
/** The number of extensions within the length of a lease. */
const EXTENSIONS_PER_LEASE = 3;
const PULL_MAX = 1000;

/**
 * Pulls as many events as there are free slots, passes each to the handler, extends the leases
 * meanwhile, and sends the results.
 */
export class PullWorker {
  readonly #api: PullApi;
  readonly #handler: JobHandler;
  readonly #settings: WorkerSettings;
  readonly #settlements: Settlements;
  readonly #held = new Map<string, HeldEvent>();
  readonly #stopping = new AbortController();
  /** The number of running handlers, even of events that are no longer held. */
  #busy = 0;
  /** Settles when there may be a free slot, and when the worker stops. */
  #capacityFreed = Promise.withResolvers<void>();

  constructor(api: PullApi, handler: JobHandler, settings: WorkerSettings) {
    this.#api = api;
    this.#handler = handler;
    this.#settings = settings;
    this.#settlements = new Settlements(api, settings.leaseSeconds * 1000, (error) =>
      settings.onError(error, undefined),
    );
  }

  /**
   * Runs until it is stopped. Rejects with PolycastError when the hub refuses permanently. In both
   * cases it finishes the started events and sends their results.
   */
  async run(): Promise<void> {
    const extending = setInterval(
      () => void this.#extend(),
      (this.#settings.leaseSeconds * 1000) / EXTENSIONS_PER_LEASE,
    );
    try {
      await this.#pullAll();
    } finally {
      while (this.#held.size > 0) await this.#capacityFreed.promise;
      clearInterval(extending);
      await this.#settlements.drained();
      await this.#api.close();
    }
  }

  /**
   * @param graceMs the time for which started handlers may still run, in milliseconds; after it the
   * worker releases their events for other workers
   */
  stop(graceMs: number): void {
    this.#stopping.abort(new DOMException('Stopped.', 'AbortError'));
    this.#signalCapacity();
    if (graceMs === Infinity) return;
    const timer = setTimeout(() => {
      for (const held of this.#held.values()) this.#release(held, 0, 'The worker stops.');
    }, graceMs);
    // In a browser's worker a timer is a number, and does not hold up the exit.
    (timer as { unref?: () => void }).unref?.();
  }

  async #pullAll(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const count = Math.min(this.#settings.concurrency - this.#busy, PULL_MAX);
      if (count <= 0) {
        await this.#capacityFreed.promise;
        continue;
      }
      try {
        for (const leased of await this.#api.pull(count, signal)) void this.#work(leased);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        await this.#pause(error, failures++);
      }
    }
  }

  /**
   * Waits after a failed pull.
   * @throws PolycastError when another try is useless
   */
  async #pause(reason: unknown, failures: number): Promise<void> {
    const ending = endingOf(reason);
    const problem = ending.kind === 'refused' ? ending.problem : undefined;
    // A paused or suspended subscription may be resumed.
    const isPermanent = problem?.retryable === false && problem.code !== 'subscription_not_active';
    if (isPermanent) throw new PolycastError(problem);
    if (failures === 0) this.#settings.onError(problem === undefined ? reason : new PolycastError(problem), undefined);
    const hintMs = ending.kind === 'refused' ? ending.hintMs : 0;
    const pauseMs = Math.max(hintMs, backoffMs(failures, Math.random(), BACKOFF_BASE_MS, BACKOFF_CAP_MS));
    await sleep(pauseMs, this.#stopping.signal).catch(() => undefined);
  }

  async #work(leased: LeasedEvent): Promise<void> {
    const held: HeldEvent = { ...leased, abort: new AbortController() };
    this.#held.set(held.lease, held);
    this.#busy += 1;
    const { event, delivery, lease, abort, traceparent, tracestate } = held;
    try {
      await this.#handler(event, { delivery, signal: abort.signal, traceparent, tracestate });
      if (this.#held.delete(lease)) this.#settlements.add(lease, 'done');
    } catch (error) {
      if (!(error instanceof RetryIn) && !abort.signal.aborted) this.#settings.onError(error, event);
      const backoffSeconds = Math.min(2 ** (delivery - 1), RETRY_SECONDS_MAX);
      this.#release(held, error instanceof RetryIn ? error.seconds : backoffSeconds, undefined);
    }
    this.#busy -= 1;
    this.#signalCapacity();
  }

  /** Releases an event, unless it was settled before; `why` is set when the handler still runs. */
  #release({ lease, abort }: HeldEvent, delaySeconds: number, why: string | undefined): void {
    if (!this.#held.delete(lease)) return;
    this.#settlements.add(lease, { delaySeconds });
    if (why !== undefined) abort.abort(new DOMException(why, 'AbortError'));
    this.#signalCapacity();
  }

  #signalCapacity(): void {
    this.#capacityFreed.resolve();
    this.#capacityFreed = Promise.withResolvers();
  }

  async #extend(): Promise<void> {
    const leases = [...this.#held.keys()];
    for (let at = 0; at < leases.length; at += PULL_MAX) {
      // A failed extension is retried in a third of a lease; the hub may be unreachable for a
      // moment.
      const lost = await this.#api.extend(leases.slice(at, at + PULL_MAX)).catch(() => []);
      for (const lease of lost) this.#lose(lease);
    }
  }

  #lose(lease: string): void {
    const held = this.#held.get(lease);
    if (held === undefined) return;
    this.#held.delete(lease);
    held.abort.abort(new DOMException('The lease has ended.', 'AbortError'));
    this.#signalCapacity();
  }
}
