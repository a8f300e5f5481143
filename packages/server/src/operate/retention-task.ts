import type { Clock, Log, TrimOrder } from '../core/ports.ts';
import { trimOrders } from '../core/retention.ts';
import type { ChannelRules } from '../core/access/channel-rules.ts';

/** Channels of one step. */
const CHANNELS_PER_STEP = 500;
/** The pause between steps that remove events, so that appends can run. */
const STEP_PAUSE_MS = 5;
/** The interval of full sweeps. They find events that are too old in channels without new ones. */
const FULL_SWEEP_EVERY_MS = 60_000;

/** A cache that holds events beside the log, and drops those that the log has removed. */
export interface TrimmedCache {
  /** Reports orders that were carried out; the list may be empty. */
  onTrimmed(orders: readonly TrimOrder[], nowMs: number): void;
}

export interface RetentionParts {
  readonly log: Log;
  readonly cache: TrimmedCache;
  readonly rules: ChannelRules;
  readonly clock: Clock;
  /** From the end of one sweep to the next. */
  readonly retentionIntervalMs: number;
  /** Receives the error that ended a sweep early. The next sweep starts as usual. */
  readonly onError: (error: unknown) => void;
}

/** Removes, in small steps, the events that the rules no longer retain. */
export class RetentionTask {
  readonly #parts: RetentionParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #sweptThrough = 0;
  #fullSweepAtMs = 0;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.sweep()
        .catch((error: unknown) => {
          if (!this.#closed) this.#parts.onError(error);
        })
        .then(() => {
          if (!this.#closed) this.start();
        });
    }, this.#parts.retentionIntervalMs);
    this.#timer.unref();
  }

  /** The next sweep trims all channels, because other rules may hold for them. */
  onRulesChanged(): void {
    this.#fullSweepAtMs = 0;
  }

  /** Stops after the step in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Trims the channels that changed since the last sweep; a full sweep trims all channels. */
  async sweep(): Promise<void> {
    const { log, rules, clock } = this.#parts;
    const { unavailable, head } = log.state;
    if (unavailable !== undefined && unavailable !== 'log_full') return;
    const nowMs = clock.nowMs();
    // Another hub trims. Its trims are reported by the log.
    if (log.shared?.isTrimmer === false) return this.#parts.cache.onTrimmed([], nowMs);
    const fullSweepAtMs = this.#fullSweepAtMs;
    const isFull = nowMs >= fullSweepAtMs || nowMs < fullSweepAtMs - FULL_SWEEP_EVERY_MS;
    let after = '';
    while (!this.#closed) {
      const states = await log.channels({
        after,
        limit: CHANNELS_PER_STEP,
        ...(isFull ? {} : { changedSince: this.#sweptThrough }),
      });
      await this.#trim(trimOrders(states, rules, nowMs), nowMs);
      const last = states[states.length - 1];
      if (last === undefined || states.length < CHANNELS_PER_STEP) break;
      after = last.channel;
    }
    // The rules may have changed during the sweep.
    if (isFull && this.#fullSweepAtMs === fullSweepAtMs) this.#fullSweepAtMs = nowMs + FULL_SWEEP_EVERY_MS;
    this.#sweptThrough = head;
  }

  async #trim(orders: readonly TrimOrder[], nowMs: number): Promise<void> {
    const { log, cache: memory } = this.#parts;
    for (;;) {
      const { more } = await log.trim(orders, nowMs);
      if (!more || this.#closed) break;
      await new Promise((resolve) => setTimeout(resolve, STEP_PAUSE_MS));
    }
    memory.onTrimmed(log.shared === undefined ? orders : [], nowMs);
  }
}
