import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import type { SubscriptionStore } from '../core/subscription/ports.ts';
import { Deliveries } from '../deliveries/deliveries.ts';
import { IN_FLIGHT_FILE, NOT_NOTED, openInFlightFile } from '../deliveries/in-flight-file.ts';
import { createMemorySubscriptionStore } from '../deliveries/store/memory-store.ts';
import { openSubscriptionStore } from '../deliveries/store/sqlite-store.ts';
import type { createLogger } from '../operate/logger.ts';
import type { World } from '../operate/world.ts';
import { createSender } from '../outgoing/sender.ts';

/** What a hub has that its subscriptions need. */
export interface DeliveryNeeds {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly logger: ReturnType<typeof createLogger>;
  readonly world: World;
  readonly version: string;
  /** Is told of an error that the HTTP client has thrown where nobody would have caught it. */
  readonly broken: (error: unknown) => void;
  /** Told how long each request to an endpoint took, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** Events written to live consumers, in all. */
  readonly liveEvents: () => number;
}

/** Durable subscriptions as they are configured; the data folder must be this process's own, and open. */
export async function openDeliveries(
  config: Config,
  { world, version, broken, ...parts }: DeliveryNeeds,
): Promise<Deliveries> {
  const store = await openStore(config, parts.logger);
  const sender = createSender({
    ...config.outgoing,
    loopback: config.access === 'loopback',
    userAgent: `Polycast/${version}`,
    broken,
  });
  const inFlight =
    config.data === ':memory:'
      ? NOT_NOTED
      : openInFlightFile(join(config.data, IN_FLIGHT_FILE), (error) =>
          parts.logger.warn({ error: String(error) }, 'webhooks: requests in flight cannot be noted for the next hub'),
        );
  const origin = config.publicUrl === null ? hostname() : new URL(config.publicUrl).hostname;
  return new Deliveries({ ...parts, ...world, store, sender, inFlight, origin, settings: config.subscriptions });
}

async function openStore(
  { data, subscriptions: { attemptsKept, attemptsKeptMax } }: Config,
  logger: DeliveryNeeds['logger'],
): Promise<SubscriptionStore> {
  if (data === ':memory:') return createMemorySubscriptionStore();
  return openSubscriptionStore({
    folder: data,
    bounds: { keptMax: attemptsKept, allMax: attemptsKeptMax },
    onTrouble: (error) =>
      logger.error({ error: String(error) }, 'where subscriptions stand cannot be written; it is tried again'),
  });
}
