import { PolycastError } from '@polycast/protocol';
import { AccessPolicy } from '../core/access/access-policy.ts';
import { isHubChannel } from '../core/access/system-channels.ts';
import type { Authority, AuthorityDecision } from '../core/ports.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { createAuthority, DENY_ALL, type AuthorityParts, type Identifier } from './authority.ts';

const ALLOWED: AuthorityDecision = { allowed: true };

/** Whoever asks is trusted as the site's own servers are: what holds clients to a measure is not for them. */
const OPEN_ACCESS_PRINCIPAL: Principal = { ...ANONYMOUS, kind: 'server' };

/**
 * No access control: everybody may do everything but speak for the hub itself (PROTOCOL.md section 13.1). For a hub that only this machine, or a trusted network, can reach. Who
 * shows who they are is known all the same: private channels, presence and what a user publishes need no rules. Credentials that are
 * none here are passed over, since nothing is closed; ones that have expired are not, so that renewing them can be tried.
 */
export function createOpenAuthority({
  identifiers,
  revocations,
}: Pick<AuthorityParts, 'identifiers' | 'revocations'>): Authority {
  const ruleAuthority = createAuthority({
    access: new AccessPolicy([], {}),
    identifiers: [...identifiers.map(ignoringUnknownCredentials), { identify: () => OPEN_ACCESS_PRINCIPAL }],
    revocations,
    channelAuthorizer: DENY_ALL,
  });
  return {
    ...ruleAuthority,
    defaultPrincipal: OPEN_ACCESS_PRINCIPAL,
    // What the hub tells of itself is as refused as it is where there are rules.
    decide: (principal, action, pattern) =>
      action === 'publish' && isHubChannel(pattern) ? ruleAuthority.decide(principal, action, pattern) : ALLOWED,
    mightAllow: () => true,
    hasScope: () => ALLOWED,
  };
}

function ignoringUnknownCredentials(identifier: Identifier): Identifier {
  return {
    identify(credentials) {
      try {
        const principal = identifier.identify(credentials);
        return principal instanceof Promise ? principal.catch(ignoreUnauthorized) : principal;
      } catch (error) {
        ignoreUnauthorized(error);
        return undefined;
      }
    },
    renew: (principal) => identifier.renew?.(principal),
    forget: (user) => identifier.forget?.(user),
  };
}

function ignoreUnauthorized(error: unknown): Principal {
  if (error instanceof PolycastError && error.code === 'unauthorized') return OPEN_ACCESS_PRINCIPAL;
  throw error;
}
