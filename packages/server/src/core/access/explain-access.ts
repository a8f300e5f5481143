import type { AccessPolicy, AccessDecision } from './access-policy.ts';
import { OWN_CHANNEL_ALIAS, privateChannel } from './private-channel.ts';
import { ANONYMOUS, type Action, type Principal } from './principal.ts';

/** A decision with its reason, for `polycast access explain` and `GET /v1/access/explain`. */
export interface Explanation {
  /** `undefined`: the hub would have to ask the site. */
  readonly allowed: boolean | undefined;
  readonly action: Action;
  /** The channel or pattern; the full name for `@me`. */
  readonly channel: string;
  /** The rule that decided, or the decision that comes before all rules. */
  readonly by: string;
  /** The condition for a yes. */
  readonly needs: string | undefined;
  /** The claim with which a token of this user could grant the action: `polycast.subscribe`. */
  readonly tokenClaim: string | undefined;
}

/** @param target a channel or a pattern; `@me` only for a user */
export function explain(access: AccessPolicy, principal: Principal, action: Action, target: string): Explanation {
  const channel =
    target === OWN_CHANNEL_ALIAS && principal.user !== undefined ? privateChannel(principal.user) : target;
  const decision = access.decide(principal, action, channel);
  const allowed = allowedBy(decision);
  const tokenClaim = allowed === true ? undefined : grantingClaim(access, principal, action, channel);
  return { allowed, action, channel, by: decision.by, needs: needsOf(decision), tokenClaim };
}

/** A token grants beyond the rules (PROTOCOL.md section 13.2), but not what only the hub may do. */
function grantingClaim(
  access: AccessPolicy,
  principal: Principal,
  action: Action,
  channel: string,
): string | undefined {
  if (principal.kind !== 'user') return undefined;
  const scope = action === 'publish' ? 'publish' : 'subscribe';
  const granted = { ...principal, grants: { [scope]: [channel] } };
  return access.decide(granted, action, channel).kind === 'yes' ? `polycast.${scope}` : undefined;
}

/** A user's principal, as rules evaluate it. */
export function userPrincipal(user: string, claims: Readonly<Record<string, unknown>>): Principal {
  return { ...ANONYMOUS, kind: 'user', user, claims };
}

function allowedBy({ kind }: AccessDecision): boolean | undefined {
  return kind === 'ask' ? undefined : kind === 'yes';
}

function needsOf(decision: AccessDecision): string | undefined {
  if (decision.kind === 'ask') return "the site's consent";
  return decision.kind === 'no' ? decision.needs : undefined;
}
