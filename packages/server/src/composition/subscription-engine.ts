import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/parse.ts';
import type { Feed } from '../core/feed.ts';
import type { Log } from '../core/ports.ts';
import type { Publisher } from '../core/publish.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import type { SubscriptionStore } from '../subscriptions/state/subscription-store.ts';
import { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import { IN_FLIGHT_FILE, NO_JOURNAL, openInFlightJournal } from '../subscriptions/webhook/in-flight-journal.ts';
import { createMemorySubscriptionStore } from '../storage/memory/memory-subscription-store.ts';
import { openSubscriptionStore } from '../storage/sqlite/subscriptions/sqlite-subscription-store.ts';
import type { createLogger } from '../operate/logger.ts';
import type { World } from '../operate/world.ts';
import { createSender } from '../outgoing/sender.ts';

/** The parts of a hub that its subscriptions need. */
export interface SubscriptionEngineDependencies {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly logger: ReturnType<typeof createLogger>;
  readonly world: World;
  readonly version: string;
  /** Called with an error that the HTTP client throws outside any call. */
  readonly onClientError: (error: unknown) => void;
  /** Called with the duration of each request to an endpoint, in milliseconds. */
  readonly answered: (durationMs: number) => void;
  /** The total number of events written to live consumers. */
  readonly liveEvents: () => number;
}

/**
 * Opens the durable subscriptions of the configuration. This process must hold the data folder
 * open.
 */
export async function openSubscriptionEngine(
  config: Config,
  { world, version, onClientError, ...parts }: SubscriptionEngineDependencies,
): Promise<SubscriptionEngine> {
  const store = await openStore(config, parts.logger);
  const sender = createSender({
    ...config.outgoing,
    loopback: config.access === 'loopback',
    userAgent: `Polycast/${version}`,
    onClientError,
  });
  const inFlight =
    config.data === ':memory:'
      ? NO_JOURNAL
      : openInFlightJournal(join(config.data, IN_FLIGHT_FILE), (error) =>
          parts.logger.warn(
            { error: String(error) },
            'webhooks: write of the in-flight journal failed; after a crash the cause cannot be found',
          ),
        );
  const origin = config.publicUrl === null ? hostname() : new URL(config.publicUrl).hostname;
  return new SubscriptionEngine({
    ...parts,
    ...world,
    store,
    dialects: DIALECTS,
    sender,
    inFlightJournal: inFlight,
    origin,
    settings: config.subscriptions,
  });
}

async function openStore(
  { data, subscriptions: { attemptsKept, attemptsKeptMax } }: Config,
  logger: SubscriptionEngineDependencies['logger'],
): Promise<SubscriptionStore> {
  if (data === ':memory:') return createMemorySubscriptionStore();
  return openSubscriptionStore({
    folder: data,
    bounds: { keptMax: attemptsKept, allMax: attemptsKeptMax },
    onUnavailable: (error) => logger.error({ error: String(error) }, 'subscription store: write failed, retrying'),
  });
}
