import { parseConfig } from '../config/schema.ts';
import type { NewSubscription } from '../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../core/subscription/settings.ts';
import { systemWorld, type World } from '../operate/world.ts';
import { openKit, webhook, type Kept, type Kit } from './delivery-kit.ts';

/** A hub's subscriptions on a clock that stands still unless it is moved, with the settings that a hub has by itself. */
export interface Travel {
  readonly kit: Kit;
  nowMs(): number;
  /** Moves the clock in steps of no more than `hopMs`, and in each waits for all that is due to be over. */
  pass(durationMs: number, hopMs?: number): Promise<void>;
  /**
   * Moves the clock in steps until there is what is waited for. Steps are a fiftieth of what has passed since the last thing happened, so
   * that everything is on time by 2 %, or by 50 ms.
   * @throws Error when it has not come after `durationMaxMs`
   */
  until(condition: () => boolean, durationMaxMs: number): Promise<void>;
  /** Waits until nothing is under way, and nothing due. */
  settle(): Promise<void>;
}

/** Timers are asked to come so much too early that each turn of the event loop finds out whether they are due. */
const SPEED = 1e15;
const HOP_MIN_MS = 50;
const HOP_PART = 0.02;

/** As a hub has them unless it is told otherwise. */
export const DEFAULTS: SubscriptionSettings = parseConfig({}).subscriptions;

export const SECOND_MS = 1000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** @param before whose log and state it goes on with, and whose time; to be closed */
export async function openTravel(before?: { readonly kit: Kept; nowMs(): number }): Promise<Travel> {
  const startMs = before?.nowMs() ?? Date.now();
  let nowMs = startMs;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs - startMs };
  const world: World = { ...systemWorld, clock, speed: SPEED };
  const kit = await openKit({ world, settings: DEFAULTS, ...(before !== undefined && { kept: before.kit }) });
  const requests = (): number =>
    Object.values(kit.deliveries.figures.webhooks.outcomes).reduce((sum, count) => sum + count, 0);
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 2; quiet++) {
      const count = requests();
      await turn();
      if (requests() !== count || kit.deliveries.figures.webhooks.inFlight > 0) quiet = -1;
    }
  };
  return {
    kit,
    nowMs: () => nowMs,
    settle,
    async pass(durationMs, hopMs = durationMs) {
      await settle();
      for (const endMs = nowMs + durationMs; nowMs < endMs;) {
        nowMs = Math.min(endMs, nowMs + hopMs);
        await settle();
      }
    },
    async until(condition, durationMaxMs) {
      await settle();
      const endMs = nowMs + durationMaxMs;
      let happenedMs = nowMs;
      let count = requests();
      while (!condition()) {
        if (nowMs > endMs) throw new Error('it has not come to that');
        nowMs += Math.max(HOP_MIN_MS, Math.ceil((nowMs - happenedMs) * HOP_PART));
        await settle();
        if (requests() === count) continue;
        count = requests();
        happenedMs = nowMs;
      }
    },
  };
}

/** A webhook as one is that says nothing of how it is to be sent to. */
export function usualWebhook(
  url: string,
  wishes: Partial<NewSubscription> = {},
  delivery: object = {},
): NewSubscription {
  const { retryDelaysSeconds, timeoutMs, concurrency } = DEFAULTS;
  const retryDelaysMs = retryDelaysSeconds.map((seconds) => seconds * SECOND_MS);
  return webhook(url, { concurrencyMax: concurrency, ...wishes }, { timeoutMs, retryDelaysMs, ...delivery });
}

/** What was told of subscriptions, the oldest first. */
export async function newsOf({ log }: Kept): Promise<readonly News[]> {
  const { head } = log.state;
  const query = { patterns: ['polycast.subscriptions.*'], types: undefined, after: 0, through: head } as const;
  const { records } = await log.read({ ...query, direction: 'forward', limit: 1000, bytesMax: 1e9 });
  return records.map((record) => ({
    kind: (record.type as string).replace('polycast.subscription.', ''),
    timeMs: record.timeMs,
    data: (JSON.parse(`{${Buffer.from(record.body).toString()}`) as News).data,
  }));
}

export interface News {
  readonly kind: string;
  readonly timeMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Every timer that is due, and then every immediate that it asked for, has had its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), 1));
}
