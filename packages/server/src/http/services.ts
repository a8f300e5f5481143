import type { TransportName } from '@polycast/protocol';
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

/** The dependencies of the transports. The composition root makes one object for all of them. */
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
  /** The durable subscriptions that WebSockets may pull from, if the hub has them. */
  readonly pull?: PullAccess;
  readonly settings: TransportSettings;
  readonly refusalLog: RefusalLog;
  readonly stats: TransportStats;
  readonly logger: TransportLogger;
}

export interface PullAccess {
  readonly subscriptions: Pick<SubscriptionService, 'get' | 'pullService'>;
  readonly leaseSecondsMax: number;
}

export interface TransportSettings {
  readonly session: SessionSettings;
  /** The hub's public URL, if it is configured; without a slash at the end. */
  readonly publicUrl: string | undefined;
  readonly heartbeatMs: number;
  /** The time between the warning and the expiry of a session's credentials. */
  readonly expiryWarningTicks: number;
  /** SSE's `retry:`. */
  readonly reconnectMs: number;
  /** The age up to which a cursor needs no permission `history`. */
  readonly resumeWindowMs: number;
  /** The `Keep-Alive` of polls: without it some clients close a connection after a few seconds. */
  readonly keepAliveHeader: string;
  readonly pollBytesMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly channelsPerConsumerMax: number;
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
  readonly batchEventsMax: number;
  readonly messageBytesMax: number;
  /** The time that an anonymous WebSocket may be without a channel. */
  readonly webSocketIdleTicks: number;
  /** Credential headers beside `Authorization` and `Cookie`, in lower case. */
  readonly credentialHeaders: readonly string[];
  /** The cookie that may hold a token, if there is one. */
  readonly tokenCookie: string | undefined;
}

/** Counts of the transports since the hub started. */
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
