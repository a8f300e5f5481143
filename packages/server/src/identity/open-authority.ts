import type { Authority, AuthorityDecision, Principal } from '../core/ports.ts';

const NOBODY: Principal = { user: undefined };
const YES: AuthorityDecision = { allowed: true };

/** No access control: everybody may do everything. For a hub that only this machine, or a trusted network, can reach. */
export const openAuthority: Authority = {
  identify: () => NOBODY,
  decide: () => YES,
};
