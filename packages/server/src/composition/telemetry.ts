import type { Feed } from '../core/feed.ts';
import type { EventPublisher } from '../core/publish.ts';
import { packageVersion } from '../platform/package-files.ts';
import type { DeliveryTracer } from '../subscriptions/state/delivery-tracer.ts';
import type { PullService } from '../subscriptions/state/pull-service.ts';
import type { HubBase } from './base.ts';

/**
 * The tracing of a hub. Without it, each part works with the other parts themselves, so that a hub
 * without tracing does nothing for it.
 */
export interface Tracing {
  readonly deliveryTracer: DeliveryTracer;
  tracePublishes(publisher: EventPublisher, epoch: () => string): EventPublisher;
  tracePulls(pulls: PullService, epoch: () => string): PullService;
}

/** Spans of leases that have expired end at most this much later. */
const EXPIRED_LEASES_INTERVAL_MS = 1000;

/**
 * Opens the telemetry if an endpoint is configured.
 * Only then the modules of OpenTelemetry are loaded.
 */
export async function openConfiguredTelemetry({
  config: { telemetry },
  world: { clock },
  logger,
  metrics,
  shutdown,
  telemetryStats: stats,
}: HubBase): Promise<Tracing | undefined> {
  const { endpoint } = telemetry;
  if (endpoint === null) return undefined;
  const { openTelemetry, DeliverySpans, TracedPublisher, TracedPulls } = await import('../telemetry/index.ts');
  const version = packageVersion();
  const readMetrics = (): ReturnType<typeof metrics.readings> => metrics.readings();
  const { tracer, isInSample, close } = openTelemetry({ ...telemetry, endpoint, version, logger, stats, readMetrics });
  shutdown.add('telemetry', close);
  if (tracer === undefined) return undefined;
  return {
    deliveryTracer: new DeliverySpans(tracer),
    tracePublishes: (publisher, epoch) => new TracedPublisher({ tracer, publisher, epoch, isInSample }),
    tracePulls(pulls, epoch) {
      const traced = new TracedPulls({ tracer, pulls, clock, epoch });
      const timer = setInterval(() => traced.endExpired(), EXPIRED_LEASES_INTERVAL_MS);
      timer.unref();
      shutdown.add('tasks', () => clearInterval(timer));
      shutdown.add('telemetry', () => traced.close());
      return traced;
    },
  };
}

/** What the transports work with: the parts themselves, or with spans around their calls. */
export interface TransportServices {
  readonly eventPublisher: EventPublisher;
  readonly pullService: PullService;
}

export function transportServices(
  tracing: Tracing | undefined,
  { feed, publisher }: { readonly feed: Feed; readonly publisher: EventPublisher },
  { pullService }: { readonly pullService: PullService },
): TransportServices {
  if (tracing === undefined) return { eventPublisher: publisher, pullService };
  const epoch = (): string => feed.epoch;
  return {
    eventPublisher: tracing.tracePublishes(publisher, epoch),
    pullService: tracing.tracePulls(pullService, epoch),
  };
}
