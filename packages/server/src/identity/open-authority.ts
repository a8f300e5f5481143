import { PolycastError } from '@polycast/protocol';
import { AccessPolicy } from '../core/access/access-policy.ts';
import { isHubChannel } from '../core/access/system-channels.ts';
import type { Authority, AuthorityDecision } from '../core/access/authority.ts';
import { ANONYMOUS, type Principal } from '../core/access/principal.ts';
import type { Clock } from '../core/ports.ts';
import { createAuthority, DENY_ALL, type AuthorityParts, type Identifier } from './authority.ts';
import { KEY_PREFIX } from './key-text.ts';

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
 * Unknown credentials are ignored and reported, because nothing is closed. Expired credentials are
 * refused, so that a client's renewal can be tested.
 */
export function createOpenAuthority({
  identifiers,
  revocations,
  onIgnored,
}: Pick<AuthorityParts, 'identifiers' | 'revocations'> & { readonly onIgnored: OnIgnored }): Authority {
  const fallback: Identifier = {
    identify({ token }) {
      if (token !== undefined) onIgnored(kindOf(token));
      return OPEN_ACCESS_PRINCIPAL;
    },
  };
  const ruleAuthority = createAuthority({
    access: new AccessPolicy([], {}),
    identifiers: [...identifiers.map((each) => ignoringUnknownCredentials(each, onIgnored)), fallback],
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

/** Called for each request whose credentials are ignored. */
type OnIgnored = (kind: 'key' | 'token') => void;

/** The least time between two lines of the log. */
const REPORT_INTERVAL_MS = 60_000;

/**
 * Writes to the log that credentials are ignored: the first time, then at most once a minute with
 * the number of requests since. A mistyped key would otherwise show only where rules decide.
 */
export function ignoredCredentialsLog(
  access: string,
  clock: Pick<Clock, 'monotonicMs'>,
  logger: { warn(fields: object, message: string): void },
): OnIgnored {
  let requests = 0;
  let reportedMs = -Infinity;
  return (credentials) => {
    requests++;
    if (clock.monotonicMs() - reportedMs < REPORT_INTERVAL_MS) return;
    logger.warn(
      { access, credentials, requests },
      'identity: a hub without access control ignores credentials that it does not know',
    );
    reportedMs = clock.monotonicMs();
    requests = 0;
  };
}

function kindOf(token: string): 'key' | 'token' {
  return token.startsWith(KEY_PREFIX) ? 'key' : 'token';
}

function ignoringUnknownCredentials(identifier: Identifier, onIgnored: OnIgnored): Identifier {
  return {
    identify(credentials) {
      try {
        const principal = identifier.identify(credentials);
        if (!(principal instanceof Promise)) return principal;
        return principal.catch((error: unknown) => {
          ignoreUnauthorized(error);
          if (credentials.token !== undefined) onIgnored(kindOf(credentials.token));
          return OPEN_ACCESS_PRINCIPAL;
        });
      } catch (error) {
        ignoreUnauthorized(error);
        // Another identifier may know the cookies of the request, or the last one reports.
        return undefined;
      }
    },
    renew: (principal) => identifier.renew?.(principal),
    forget: (user) => identifier.forget?.(user),
  };
}

/** @throws any other error than `unauthorized` */
function ignoreUnauthorized(error: unknown): void {
  if (!(error instanceof PolycastError) || error.code !== 'unauthorized') throw error;
}
