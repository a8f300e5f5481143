import type { AccessPolicy, AccessDecision } from './access-policy.ts';
import { OWN_CHANNEL_ALIAS, privateChannel } from './private-channel.ts';
import { ANONYMOUS, type Action, type Principal } from './principal.ts';

/** Who may do what, and why: what `polycast access explain` and `GET /v1/access/explain` say. */
export interface Explanation {
  /** `undefined`: the site has to be asked. */
  readonly allowed: boolean | undefined;
  readonly action: Action;
  /** The channel or pattern, `@me` by its full name. */
  readonly channel: string;
  /** The rule that decided, or what goes before all rules. */
  readonly by: string;
  /** What would have been needed. */
  readonly needs: string | undefined;
}

/** @param target a channel or a pattern; `@me` only for a user */
export function explain(access: AccessPolicy, principal: Principal, action: Action, target: string): Explanation {
  const channel =
    target === OWN_CHANNEL_ALIAS && principal.user !== undefined ? privateChannel(principal.user) : target;
  const decision = access.decide(principal, action, channel);
  return { allowed: allowedBy(decision), action, channel, by: decision.by, needs: needsOf(decision) };
}

/** A user as the rules see one. */
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
