import type { AuthParts } from '../auth/auth-parts.ts';
import { ConnectionQuota } from '../auth/connection-quota.ts';
import { RefusalLog } from '../auth/refusal-log.ts';
import { Sessions } from '../auth/sessions.ts';
import { ANONYMOUS } from '../core/access/principal.ts';
import type { Authority } from '../core/access/authority.ts';
import { TimingWheel } from '../core/primitives/timing-wheel.ts';
import { TrustedProxies } from '../http/client-address.ts';
import { OriginPolicy } from '../http/origin/origin-policy.ts';
import { systemWorld } from '../operate/world.ts';

const YES = { allowed: true } as const;

/** Every client is anonymous and may do everything. */
export const OPEN_AUTHORITY: Authority = {
  identify: () => ANONYMOUS,
  decide: () => YES,
  hasScope: () => YES,
  onRevoked: () => undefined,
};

/** The parts that identify callers, without limits. */
export function createTestAuth(given: Partial<AuthParts> = {}): AuthParts {
  const ignore = (): void => undefined;
  return {
    authority: OPEN_AUTHORITY,
    clock: systemWorld.clock,
    wheel: new TimingWheel(),
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    originPolicy: new OriginPolicy([]),
    trustedProxies: new TrustedProxies([], 'x-forwarded-for'),
    connectionQuota: new ConnectionQuota(new Sessions(systemWorld.random), {
      connectionsPerUserMax: null,
      connectionsPerAddressMax: null,
      connectionsPerPublicAddressMax: null,
    }),
    refusalLog: new RefusalLog({ debug: ignore }),
    settings: { expiryWarningTicks: 120, resumeWindowMs: 3_600_000, credentialHeaders: [], tokenCookie: undefined },
    ...given,
  };
}
