import type { AccessPolicy } from '../core/access/access-policy.ts';
import type { Authority } from '../core/ports.ts';
import { createAuthority } from '../identity/authority.ts';
import type { Identity } from '../identity/identity.ts';
import { createOpenAuthority } from '../identity/open-authority.ts';
import type { Site } from '../identity/site/site.ts';
import type { Tokens } from '../identity/tokens/tokens.ts';

/** Without access control every client may do everything. */
export function createConfiguredAuthority(
  access: AccessPolicy | undefined,
  { keys, revocations }: Identity,
  tokens: Tokens,
  site: Site,
): Authority {
  const identifiers = [keys, ...tokens.identifiers, ...site.identifiers];
  if (access === undefined) return createOpenAuthority({ identifiers, revocations });
  return createAuthority({ access, identifiers, revocations, channelAuthorizer: site.channelAuthorizer });
}
