import { transportCounts } from '@polycast/protocol';
import type { Config } from '../config/parse.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { TransportStats } from '../streams/stream-parts.ts';
import { createLogger } from '../operate/logger.ts';
import { createMetrics, type Metrics } from '../operate/metrics.ts';
import type { World } from '../operate/world.ts';
import { Reloader } from './reloader.ts';
import { createTelemetryStats, type TelemetryStats } from '../operate/telemetry-metrics.ts';
import { Shutdown } from './shutdown.ts';
import { connectionsBound, type ConnectionsMax } from './transport-settings.ts';

/** The dependencies of all parts of a hub. They exist before the first part. */
export interface HubBase {
  readonly config: Config;
  /** `limits.connectionsMax`, or what the limit of open files has room for. */
  readonly connectionsMax: ConnectionsMax;
  readonly world: World;
  readonly logger: ReturnType<typeof createLogger>;
  readonly metrics: Metrics;
  /** The timers of sessions, presence and connections. */
  readonly wheel: TimingWheel;
  /** The transports count here; the webhooks read it to give way to live events. */
  readonly stats: TransportStats;
  readonly shutdown: Shutdown;
  /** Parts with live settings register here. */
  readonly reloader: Reloader;
  /** The telemetry counts here; all zero without it. */
  readonly telemetryStats: TelemetryStats;
}

export function createBase(config: Config, world: World): HubBase {
  const logger = createLogger(config.logging.level, config.logging.format);
  const reloader = new Reloader(config, logger);
  reloader.add(
    ({ logging }) =>
      () =>
        void (logger.level = logging.level),
  );
  return {
    config,
    connectionsMax: connectionsBound(config, logger, reloader),
    world,
    logger,
    metrics: createMetrics(),
    wheel: new TimingWheel(),
    stats: { deliveries: transportCounts(), gaps: 0, stalled: 0 },
    shutdown: new Shutdown((stage) => logger.error({ stage }, 'closing takes long: it waits for a part of the hub')),
    reloader,
    telemetryStats: createTelemetryStats(),
  };
}
