import { PolycastError } from '../errors.ts';
import { endingOf } from '../http.ts';
import { backoffMs } from '../machine/backoff.ts';
import { sleep } from '../sleep.ts';
import type { PullApi } from './pull-api.ts';

/**
 * A settlement: the result of an event. It is done, or redelivered after a delay in seconds. For
 * example, `{delaySeconds: 4}` after the third failure.
 */
export type Settlement = 'done' | { readonly delaySeconds: number };

const LEASES_MAX = 1000;
const BACKOFF_BASE_MS = 200;
const BACKOFF_CAP_MS = 10_000;
const NEVER = new AbortController().signal;

/**
 * Sends the results of events to the hub. One request is in flight at a time; the next one takes
 * all results that arrived meanwhile. This way, many small jobs cost few requests. It retries while
 * the hub is unreachable, because leases survive a restart of the hub. When the leases have ended,
 * it gives up: the hub delivers these events again.
 */
export class Settlements {
  readonly #api: PullApi;
  readonly #leaseMs: number;
  readonly #onError: (error: unknown) => void;
  /** The leases to send, by their result: `done`, or the delay. */
  readonly #pending = new Map<string, string[]>();
  #running: Promise<void> | undefined;

  /** @param leaseMs the length of a lease, in milliseconds */
  constructor(api: PullApi, leaseMs: number, onError: (error: unknown) => void) {
    this.#api = api;
    this.#leaseMs = leaseMs;
    this.#onError = onError;
  }

  add(lease: string, settlement: Settlement): void {
    const group = settlement === 'done' ? 'done' : String(settlement.delaySeconds);
    const leases = this.#pending.get(group);
    if (leases === undefined) this.#pending.set(group, [lease]);
    else leases.push(lease);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Settles when all results are sent, or useless. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Results of the same turn of the event loop go into the same request.
    await undefined;
    for (let [group] = this.#pending.keys(); group !== undefined; [group] = this.#pending.keys()) {
      const leases = (this.#pending.get(group) as string[]).splice(0, LEASES_MAX);
      if (this.#pending.get(group)?.length === 0) this.#pending.delete(group);
      await this.#send(group, leases);
    }
  }

  async #send(group: string, leases: readonly string[]): Promise<void> {
    // No lease was extended after its event got here.
    const endMs = performance.now() + this.#leaseMs;
    for (let failures = 0; ; failures++) {
      try {
        const notHeld =
          group === 'done' ? await this.#api.acknowledge(leases) : await this.#api.release(leases, Number(group));
        if (group === 'done' && notHeld.length > 0) this.#onError(new LeaseEndedError(notHeld.length));
        return;
      } catch (error) {
        const ending = endingOf(error);
        if (ending.kind === 'refused' && !ending.problem.retryable)
          return this.#onError(new PolycastError(ending.problem));
        if (performance.now() > endMs) return this.#onError(new LeaseEndedError(leases.length));
        const hintMs = ending.kind === 'refused' ? ending.hintMs : 0;
        await sleep(Math.max(hintMs, backoffMs(failures, Math.random(), BACKOFF_BASE_MS, BACKOFF_CAP_MS)), NEVER);
      }
    }
  }
}

/**
 * The leases of events had ended before the hub received their results. Another worker receives
 * these events as well.
 */
export class LeaseEndedError extends Error {
  override readonly name = 'LeaseEndedError';
  readonly count: number;

  constructor(count: number) {
    super(`the leases of ${count} events ended before the hub had their results; the events will be delivered again`);
    this.count = count;
  }
}
