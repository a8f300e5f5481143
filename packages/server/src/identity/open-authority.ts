import { PolycastError } from '@polycast/protocol';
import { AccessPolicy } from '../core/access/access-policy.ts';
import { isHubChannel } from '../core/access/system-channels.ts';
import type { Authority, AuthorityDecision } from '../core/access/authority.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import { createAuthority, DENY_ALL, type AuthorityParts, type Identifier } from './authority.ts';

const ALLOWED: AuthorityDecision = { allowed: true };

/**
 * Every client has the same rights as the site's own servers. The limits for clients do not apply
 * to it.
 */
const OPEN_ACCESS_PRINCIPAL: Principal = { ...ANONYMOUS, kind: 'server' };

/**
 * Access control is off: every client may do everything, except publish to the hub's own channels
 * (PROTOCOL.md section 13.1). This is for a hub that only this machine, or a trusted network, can
 * reach.
 *
 * Identifiers still work, so private channels, presence and the `user` of events need no rules.
 * Unknown credentials are ignored, because nothing is closed. Expired credentials are refused, so
 * that a client's renewal can be tested.
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
    // The hub's own channels are protected in the same way as on a hub with rules.
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
