import { PolycastError } from '@polycast/protocol';
import { Access } from '../core/access.ts';
import { isHubChannel } from '../core/hub-channels.ts';
import type { Authority, AuthorityDecision } from '../core/ports.ts';
import { ANONYMOUS, type Principal } from '../core/principal.ts';
import { createAuthority, NO_CONSENT, type AuthorityParts, type Identifier } from './authority.ts';

const YES: AuthorityDecision = { allowed: true };

/** Whoever asks is trusted as the site's own servers are: what holds clients to a measure is not for them. */
const EVERYBODY: Principal = { ...ANONYMOUS, kind: 'server' };

/**
 * No access control: everybody may do everything but speak for the hub itself (PROTOCOL.md section 13.1). For a hub that only this machine, or a trusted network, can reach. Who
 * shows who they are is known all the same: private channels, presence and what a user publishes need no rules. Credentials that are
 * none here are passed over, since nothing is closed; ones that have expired are not, so that renewing them can be tried.
 */
export function createOpenAuthority({
  identifiers,
  revocations,
}: Pick<AuthorityParts, 'identifiers' | 'revocations'>): Authority {
  const closed = createAuthority({
    access: new Access([], {}),
    identifiers: [...identifiers.map(lenient), { identify: () => EVERYBODY }],
    revocations,
    consent: NO_CONSENT,
  });
  return {
    ...closed,
    nobody: EVERYBODY,
    // What the hub tells of itself is as refused as it is where there are rules.
    decide: (principal, action, pattern) =>
      action === 'publish' && isHubChannel(pattern) ? closed.decide(principal, action, pattern) : YES,
    mayEver: () => true,
    permits: () => YES,
  };
}

function lenient(identifier: Identifier): Identifier {
  return {
    identify(credentials) {
      try {
        const principal = identifier.identify(credentials);
        return principal instanceof Promise ? principal.catch(passOver) : principal;
      } catch (error) {
        passOver(error);
        return undefined;
      }
    },
    renew: (principal) => identifier.renew?.(principal),
    forget: (user) => identifier.forget?.(user),
  };
}

function passOver(error: unknown): Principal {
  if (error instanceof PolycastError && error.code === 'unauthorized') return EVERYBODY;
  throw error;
}
