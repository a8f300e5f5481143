import { PolycastError } from '@polycast/protocol';
import type { Authority } from '../core/access/authority.ts';
import type { IdentityHearing } from '../core/access/identity-store.ts';
import type { Principal } from '../core/access/principal.ts';

/**
 * The authority of a hub in a cluster. While the hub does not hear of revocations, it cannot know
 * whether credentials are still valid, so it refuses all of them. Anonymous callers are served.
 */
export function currentAuthority(authority: Authority, hearing: Pick<IdentityHearing, 'isCurrent'>): Authority {
  const admit = (principal: Principal): Principal => {
    if (hearing.isCurrent || !isIdentified(principal)) return principal;
    throw unavailable('revocations');
  };
  return {
    ...authority,
    identify(credentials) {
      const principal = authority.identify(credentials);
      return principal instanceof Promise ? principal.then(admit) : admit(principal);
    },
  };
}

/**
 * Resolves when this hub knows all keys, portal links or login signers that were confirmed at any
 * hub before. Another hub may have made one a moment ago.
 * @param of what the hub could not learn otherwise
 * @throws PolycastError `identity_unavailable`
 */
export async function reachIdentity(reach: IdentityHearing['reach'], of: string): Promise<void> {
  await reach().catch(() => {
    throw unavailable(of);
  });
}

/** @param of what the hub does not hear of */
export function unavailable(of: string): PolycastError {
  const detail = `This hub does not hear of ${of} at the moment. Another hub of the cluster may.`;
  return new PolycastError('identity_unavailable', detail, { retryAfterMs: 1000 });
}

/** The principal has credentials, which could be revoked. */
export function isIdentified({ key, token, user }: Principal): boolean {
  return key !== undefined || token !== undefined || user !== undefined;
}
