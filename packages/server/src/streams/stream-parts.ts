import type { TransportName } from '@polycast/protocol';
import type { HistoryParts } from '../auth/history-permission.ts';
import type { Sessions } from '../auth/sessions.ts';
import type { PresenceView } from '../core/presence/presence-types.ts';
import type { TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { EventPublisher } from '../core/publish.ts';
import type { SessionSettings } from '../core/session.ts';
import type { CacheHeaders } from '../http/headers/cache-headers.ts';
import type { OpenPulls } from './socket-pulls.ts';

/**
 * The parts of every session. The composition makes one object with the parts of all transports.
 */
export interface SessionParts extends HistoryParts {
  readonly sessions: Sessions;
  readonly wheel: TimingWheel;
  readonly stats: TransportStats;
  readonly settings: StreamSettings;
}

/** The parts of `GET /v1/events` and of the routes that read a channel. */
export interface ReadParts extends SessionParts {
  readonly cacheHeaders: CacheHeaders;
  readonly presence: PresenceView;
}

/** The parts of a WebSocket, whose operations publish, subscribe and pull. */
export interface WebSocketParts extends SessionParts {
  readonly presence: PresenceView;
  readonly publisher: EventPublisher;
  /** Creates the pulls of a session at its first operation of pulling. */
  readonly openPulls: OpenPulls;
}

/** Counts of the transports since the hub started. */
export interface TransportStats {
  readonly deliveries: Record<TransportName, number>;
  gaps: number;
  stalled: number;
}

export interface StreamSettings {
  readonly session: SessionSettings;
  readonly heartbeatMs: number;
  /** SSE's `retry:`. */
  readonly reconnectMs: number;
  /** The hub's public URL, if it is configured; without a slash at the end. */
  readonly publicUrl: string | undefined;
  /** The `Keep-Alive` of polls: without it some clients close a connection after a few seconds. */
  readonly keepAliveHeader: string;
  readonly pollBytesMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly channelsPerConsumerMax: number;
  readonly messageBytesMax: number;
  /** The time that an anonymous WebSocket may be without a channel. */
  readonly webSocketIdleTicks: number;
}
