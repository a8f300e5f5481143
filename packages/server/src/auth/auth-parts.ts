import type { Principal } from '../core/access/principal.ts';
import type { Authority } from '../core/access/authority.ts';
import type { Clock, Logger } from '../core/ports.ts';
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
  /**
   * Identifies the tokens of portal links, for the routes that accept them.
   * Absent in tests of other parts.
   */
  readonly portalLinks?: PortalLinkIdentifier | undefined;
  readonly clock: Clock;
  readonly wheel: TimingWheel;
  readonly logger: Logger;
  readonly originPolicy: OriginPolicy;
  readonly trustedProxies: TrustedProxies;
  readonly connectionQuota: ConnectionQuota;
  readonly refusalLog: RefusalLog;
  readonly settings: AuthSettings;
}

/**
 * @throws PolycastError `unauthorized`, `token_expired`; returns `undefined` for other credentials
 */
export interface PortalLinkIdentifier {
  identify(token: string | undefined): Principal | Promise<Principal> | undefined;
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
