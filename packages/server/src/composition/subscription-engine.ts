import { hostname } from 'node:os';
import type { Config } from '../config/parse.ts';
import type { Feed } from '../core/feed.ts';
import type { Publisher } from '../core/publish.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { Storage } from '../storage/open-storage.ts';
import type { createLogger } from '../operate/logger.ts';
import type { World } from '../operate/world.ts';
import { createSender } from '../outgoing/sender.ts';

/** The parts of a hub that its subscriptions need. */
export interface SubscriptionEngineDependencies {
  readonly storage: Storage;
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

/** Creates the engine of durable subscriptions from the configuration. */
export function createSubscriptionEngine(
  config: Config,
  { storage, world, version, onClientError, ...parts }: SubscriptionEngineDependencies,
): SubscriptionEngine {
  const sender = createSender({
    ...config.outgoing,
    loopback: config.access === 'loopback',
    userAgent: `Polycast/${version}`,
    onClientError,
  });
  const origin = config.publicUrl === null ? hostname() : new URL(config.publicUrl).hostname;
  return new SubscriptionEngine({
    ...parts,
    log: storage.log,
    ...world,
    store: storage.subscriptions,
    inFlightJournal: storage.inFlightJournal,
    dialects: DIALECTS,
    sender,
    origin,
    settings: config.subscriptions,
  });
}
