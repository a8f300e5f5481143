import { SESSION_TRANSPORTS } from '@polycast/protocol';
import { hostname } from 'node:os';
import type { ClosableSender } from '../outgoing/sender.ts';
import type { Storage } from '../storage/open-storage.ts';
import { DIALECTS } from '../subscriptions/dialects/registry.ts';
import { SubscriptionEngine } from '../subscriptions/subscription-engine.ts';
import type { HubBase } from './base.ts';
import type { Tracing } from './telemetry.ts';
import type { CorePart } from './core.ts';

/** Creates the engine of durable subscriptions from the configuration. */
export function createSubscriptionEngine(
  { config, world, logger, metrics, stats: { deliveries }, shutdown }: HubBase,
  storage: Storage,
  { log, feed, publisher }: CorePart,
  { sender }: { readonly sender: ClosableSender },
  tracing: Tracing | undefined,
): SubscriptionEngine {
  const engine = new SubscriptionEngine({
    ...world,
    log,
    feed,
    publisher,
    logger,
    store: storage.subscriptions,
    inFlightJournal: storage.inFlightJournal,
    dialects: DIALECTS,
    sender,
    deliveryTracer: tracing?.deliveryTracer,
    origin: config.publicUrl === null ? hostname() : new URL(config.publicUrl).hostname,
    settings: config.subscriptions,
    answered: (durationMs) => metrics.observe('webhook', durationMs),
    liveEvents: () => SESSION_TRANSPORTS.reduce((sum, transport) => sum + deliveries[transport], 0),
  });
  shutdown.add('subscriptions', () => engine.close());
  return engine;
}
