import { parseConfig } from '../config/parse.ts';
import type { NewSubscription } from '../subscriptions/state/ports.ts';
import type { SubscriptionSettings } from '../subscriptions/settings.ts';
import { systemWorld, type World } from '../operate/world.ts';
import { openSubscriptionKit, webhook, type PersistedState, type SubscriptionKit } from './subscription-kit.ts';

/**
 * A hub's subscriptions with a clock that only the test advances, and with the default settings.
 */
export interface VirtualTime {
  readonly kit: SubscriptionKit;
  nowMs(): number;
  /** Advances the clock in steps of at most `hopMs`, and waits in each step for all due work. */
  advance(durationMs: number, hopMs?: number): Promise<void>;
  /**
   * Advances the clock in steps until the condition is true. A step is a fiftieth of the time since
   * the last activity, so that everything is on time by 2 %, or by 50 ms.
   * @throws Error if the condition is false after `durationMaxMs`
   */
  until(condition: () => boolean, durationMaxMs: number): Promise<void>;
  /** Waits until no work is in flight or due. */
  settle(): Promise<void>;
}

/** Timers fire so much too early that each turn of the event loop checks whether they are due. */
const SPEED = 1e15;
const STEP_MIN_MS = 50;
const STEP_FRACTION = 0.02;

/** The hub's defaults. */
export const DEFAULTS: SubscriptionSettings = parseConfig({}).subscriptions;

export const SECOND_MS = 1000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** @param before the kit whose log, state and time it continues with; the caller closes it */
export async function openVirtualTime(before?: {
  readonly kit: PersistedState;
  nowMs(): number;
}): Promise<VirtualTime> {
  const startMs = before?.nowMs() ?? Date.now();
  let nowMs = startMs;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs - startMs };
  const world: World = { ...systemWorld, clock, speed: SPEED };
  const kit = await openSubscriptionKit({
    world,
    settings: DEFAULTS,
    ...(before !== undefined && { persisted: before.kit }),
  });
  const requests = (): number =>
    Object.values(kit.engine.counts.webhooks.outcomes).reduce((sum, count) => sum + count, 0);
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 2; quiet++) {
      const count = requests();
      await eventLoopTurn();
      if (requests() !== count || kit.engine.counts.webhooks.inFlight > 0) quiet = -1;
    }
  };
  return {
    kit,
    nowMs: () => nowMs,
    settle,
    async advance(durationMs, hopMs = durationMs) {
      await settle();
      for (const endMs = nowMs + durationMs; nowMs < endMs;) {
        nowMs = Math.min(endMs, nowMs + hopMs);
        await settle();
      }
    },
    async until(condition, durationMaxMs) {
      await settle();
      const endMs = nowMs + durationMaxMs;
      let lastRequestMs = nowMs;
      let count = requests();
      while (!condition()) {
        if (nowMs > endMs) throw new Error('it has not come to that');
        nowMs += Math.max(STEP_MIN_MS, Math.ceil((nowMs - lastRequestMs) * STEP_FRACTION));
        await settle();
        if (requests() === count) continue;
        count = requests();
        lastRequestMs = nowMs;
      }
    },
  };
}

/** A webhook with the hub's default settings for its requests. */
export function defaultWebhook(
  url: string,
  options: Partial<NewSubscription> = {},
  delivery: object = {},
): NewSubscription {
  const { retryDelaysSeconds, timeoutMs, concurrency } = DEFAULTS;
  const retryDelaysMs = retryDelaysSeconds.map((seconds) => seconds * SECOND_MS);
  return webhook(url, { concurrencyMax: concurrency, ...options }, { timeoutMs, retryDelaysMs, ...delivery });
}

/** The lifecycle events of subscriptions, the oldest first. */
export async function lifecycleEventsOf({ log }: PersistedState): Promise<readonly RecordedLifecycleEvent[]> {
  const { head } = log.state;
  const query = { patterns: ['polycast.subscriptions.*'], types: undefined, after: 0, through: head } as const;
  const { records } = await log.read({ ...query, direction: 'forward', limit: 1000, bytesMax: 1e9 });
  return records.map((record) => ({
    kind: (record.type as string).replace('polycast.subscription.', ''),
    timeMs: record.timeMs,
    data: (JSON.parse(`{${Buffer.from(record.body).toString()}`) as RecordedLifecycleEvent).data,
  }));
}

export interface RecordedLifecycleEvent {
  readonly kind: string;
  readonly timeMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Waits until every due timer, and every immediate that it set, has run. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), 1));
}
