import { ANONYMOUS, type Principal } from '../core/principal.ts';
import type { Authority, AuthorityDecision } from '../core/ports.ts';

const YES: AuthorityDecision = { allowed: true };

/** Whoever asks is trusted as the site's own servers are: what holds clients to a measure is not for them. */
const EVERYBODY: Principal = { ...ANONYMOUS, kind: 'server' };

/** No access control: everybody may do everything. For a hub that only this machine, or a trusted network, can reach. */
export const openAuthority: Authority = {
  identify: () => EVERYBODY,
  decide: () => YES,
  permits: () => YES,
  onRevoked: () => undefined,
};
