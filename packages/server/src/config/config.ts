import type { AccessDefaults } from '../core/access/access-policy.ts';
import type { IdentitySettings } from '../core/access/identity-settings.ts';
import type { EventTypeCheck } from '../core/events/event-types.ts';
import type { Retain } from '../core/ports.ts';
import type { SubscriptionSettings } from '../subscriptions/state/settings.ts';
import type { WebSubSettings } from '../subscriptions/dialects/websub/settings.ts';

/**
 * The configuration of a hub, complete and checked. `settings/config-schema.ts` and the files
 * beside it describe each field: meaning, unit, bounds, default and the reason for it. The
 * reference is generated from them.
 */
export interface Config {
  readonly listen: string;
  readonly publicUrl: string | null;
  readonly data: string;
  readonly access: AccessMode;
  readonly tls: TlsConfig;
  readonly allowedOrigins: readonly string[];
  readonly localPages: 'none' | 'loopback' | 'files';
  readonly trustedProxies: readonly string[];
  readonly forwardedHeader: 'x-forwarded-for' | 'forwarded';
  readonly defaults: RuleSettings & AccessDefaults;
  readonly rules: readonly RuleConfig[];
  readonly eventTypes: readonly EventTypeConfig[];
  readonly identity: IdentitySettings;
  readonly outgoing: OutgoingConfig;
  readonly presence: PresenceConfig;
  readonly subscriptions: SubscriptionSettings;
  readonly websub: WebSubSettings;
  readonly delivery: DeliveryConfig;
  readonly limits: LimitsConfig;
  readonly storage: StorageConfig;
  readonly drain: DrainConfig;
  readonly logging: LoggingConfig;
  readonly lab: LabConfig;
}

/**
 * `rules`: the rules decide about access. `loopback`: no access control, so the hub may listen only
 * on loopback addresses. `open`: no access control, on any address.
 */
export type AccessMode = 'rules' | 'loopback' | 'open';

/** Both or neither. */
export interface TlsConfig {
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
  readonly reloadIntervalMs: number;
  readonly http2: boolean;
  readonly hstsMaxAgeSeconds: number;
}

/** The settings of a channel. `null`: no bound. */
export interface RuleSettings {
  readonly retain: Retain;
  readonly historyCountMax: number | null;
  readonly historyAgeMaxSeconds: number | null;
  readonly historyBytesMax: number | null;
  readonly eventBytesMax: number;
  readonly publishRatePerSecond: number | null;
  readonly publishBurst: number | null;
  readonly userPublishRatePerSecond: number | null;
  readonly userPublishBurst: number | null;
  readonly eventTypeCheck: EventTypeCheck;
}

/**
 * Each setting of a channel comes from the first rule that covers it and has the setting, else from
 * `defaults`.
 */
export type RuleConfig = { readonly pattern: string } & {
  readonly [Setting in keyof RuleSettings]?: RuleSettings[Setting] | undefined;
} & AccessDefaults;

/** A type of event. `schema` and `sample` are JSON; both are optional. */
export interface EventTypeConfig {
  readonly name: string;
  readonly description: string;
  readonly channels: readonly string[];
  readonly schema?: object | boolean | undefined;
  readonly sample?: unknown;
}

/** The settings of presence. `settings/presence.ts` describes each field. */
export interface PresenceConfig {
  readonly graceSeconds: number;
  readonly pollSeconds: number;
  readonly listedMax: number;
  readonly systemEvents: boolean;
}

export interface DeliveryConfig {
  readonly heartbeatMs: number;
  readonly reconnectMs: number;
  readonly tailBytesMax: number;
  readonly batchBytesMax: number;
  readonly stalledTimeoutMs: number;
  readonly pollBytesMax: number;
  readonly pollWaitMaxSeconds: number;
  readonly pageMaxAgeSeconds: number;
  readonly logReadsConcurrentMax: number;
}

export interface LimitsConfig {
  readonly connectionsMax: number;
  readonly connectionsPerUserMax: number | null;
  readonly connectionsPerAddressMax: number | null;
  readonly socketsPerAddressMax: number | null;
  readonly connectionsPerPublicAddressMax: number | null;
  readonly webSocketEntryTimeoutMs: number;
  readonly clientPublishRatePerSecond: number | null;
  readonly clientPublishBurst: number | null;
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly bodyBytesMax: number;
  readonly bodiesBytesMax: number;
  readonly clientBodiesBytesMax: number;
  readonly answersBytesMax: number;
  readonly bodyTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly http2StreamsMax: number;
  readonly http2ResetsPerSecondMax: number;
  readonly channelsPerConsumerMax: number;
  readonly batchEventsMax: number;
  readonly messageBytesMax: number;
  readonly channelsMax: number;
  readonly clientChannelsPercent: number;
  readonly appendQueueBytesMax: number;
}

/** The addresses that the hub's own requests may go to, and their limits. */
export interface OutgoingConfig {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly httpsOnly: boolean;
  readonly ports: readonly number[];
  readonly nameServers: readonly string[];
  readonly proxy: string | null;
  readonly proxyConnectTo: 'address' | 'name';
  readonly connectionsMax: number;
  readonly connectionsPerHostMax: number;
}

export interface StorageConfig {
  readonly retentionIntervalMs: number;
  readonly scrubBytesPerSecond: number;
}

export interface DrainConfig {
  readonly timeMs: number;
}

export interface LoggingConfig {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LabConfig {
  readonly enabled: boolean;
}
