import type { Authority, Clock, Log, Random } from '../core/ports.ts';
import type { Feed } from '../core/feed.ts';
import type { PresenceView } from '../core/presence/presence-types.ts';
import type { Publisher } from '../core/publish.ts';
import type { SessionSettings } from '../core/session.ts';
import type { SubscriptionService } from '../subscriptions/state/ports.ts';
import type { ByteBudget } from '../core/primitives/byte-budget.ts';
import type { CacheHeaders } from './headers/cache-headers.ts';
import type { ConnectionQuota } from '../auth/connection-quota.ts';
import type { TrustedProxies } from './client-address.ts';
import type { OriginPolicy } from './headers/origin-policy.ts';
import type { RefusalLog } from '../auth/refusal-log.ts';
import type { TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { Sessions } from '../auth/sessions.ts';

/** What the transports are given to work with: one object for all of them, made by the composition root. */
export interface Services {
  readonly log: Log;
  readonly feed: Feed;
  readonly publisher: Publisher;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimingWheel;
  readonly sessions: Sessions;
  readonly originPolicy: OriginPolicy;
  readonly cacheHeaders: CacheHeaders;
  readonly trustedProxies: TrustedProxies;
  readonly connectionQuota: ConnectionQuota;
  readonly bodyBudget: ByteBudget;
  readonly presence: PresenceView;
  /** Durable subscriptions that WebSockets may pull from, where there are any. */
  readonly pull?: PullAccess;
  readonly settings: TransportSettings;
  readonly refusalLog: RefusalLog;
  readonly stats: TransportStats;
  readonly logger: TransportLogger;
}

export interface PullAccess {
  readonly subscriptions: Pick<SubscriptionService, 'get' | 'pullConsumer'>;
  readonly leaseSecondsMax: number;
}

export interface TransportSettings {
  readonly session: SessionSettings;
  /** Where others reach this hub, if that is configured; without a last slash. */
  readonly publicUrl: string | undefined;
  readonly heartbeatMs: number;
  /** How long before its standing ends a session is told so. */
  readonly expiryWarningTicks: number;
  /** SSE's `retry:`. */
  readonly reconnectMs: number;
  /** How old a cursor may be that is no look back. */
  readonly resumeWindowMs: number;
  /** What polls are told in `Keep-Alive`: some clients give a connection up after a few seconds without it. */
  readonly keepAliveHeader: string;
  readonly pollBytesMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly channelsPerConsumerMax: number;
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
  readonly batchEventsMax: number;
  readonly messageBytesMax: number;
  /** How long a WebSocket of nobody known may do without a channel. */
  readonly webSocketIdleTicks: number;
  /** Headers, beside `Authorization` and `Cookie`, by which somebody may show who they are; in lower case. */
  readonly credentialHeaders: readonly string[];
  /** The cookie that a token may come in, if one may. */
  readonly tokenCookie: string | undefined;
}

export type TransportName = 'poll' | 'long_poll' | 'sse' | 'websocket';

/** What the transports have counted since they began. */
export interface TransportStats {
  readonly deliveries: Record<TransportName, number>;
  gaps: number;
  stalled: number;
}

export interface TransportLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
