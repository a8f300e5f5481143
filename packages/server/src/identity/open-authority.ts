import { ANONYMOUS } from '../core/principal.ts';
import type { Authority, AuthorityDecision } from '../core/ports.ts';

const YES: AuthorityDecision = { allowed: true };

/** No access control: everybody may do everything. For a hub that only this machine, or a trusted network, can reach. */
export const openAuthority: Authority = {
  identify: () => ANONYMOUS,
  decide: () => YES,
  permits: () => YES,
  onRevoked: () => undefined,
};
