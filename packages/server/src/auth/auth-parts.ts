import type { Authority, Clock, Logger } from '../core/ports.ts';
import type { TimingWheel } from '../core/primitives/timing-wheel.ts';
import type { TrustedProxies } from '../http/client-address.ts';
import type { OriginPolicy } from '../http/origin/origin-policy.ts';
import type { ConnectionQuota } from './connection-quota.ts';
import type { RefusalLog } from './refusal-log.ts';

/**
 * The parts that identify callers and check their permissions. Every request and session of a hub
 * shares one object.
 */
export interface AuthParts {
  readonly authority: Authority;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly logger: Logger;
  readonly originPolicy: OriginPolicy;
  readonly trustedProxies: TrustedProxies;
  readonly connectionQuota: ConnectionQuota;
  readonly refusalLog: RefusalLog;
  readonly settings: AuthSettings;
}

export interface AuthSettings {
  /** Credential headers beside `Authorization` and `Cookie`, in lower case. */
  readonly credentialHeaders: readonly string[];
  /** The cookie that may hold a token, if there is one. */
  readonly tokenCookie: string | undefined;
  /** The time between the warning and the expiry of a session's credentials. */
  readonly expiryWarningTicks: number;
  /** The age up to which a cursor needs no permission `history`. */
  readonly resumeWindowMs: number;
}
