import type { Access, AccessAnswer } from './access.ts';
import { OWN_CHANNEL, privateChannel } from './private-channel.ts';
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

/** @param wish a channel or a pattern; `@me` only for a user */
export function explain(access: Access, principal: Principal, action: Action, wish: string): Explanation {
  const channel = wish === OWN_CHANNEL && principal.user !== undefined ? privateChannel(principal.user) : wish;
  const answer = access.decide(principal, action, channel);
  return { allowed: allowedBy(answer), action, channel, by: answer.by, needs: needsOf(answer) };
}

/** A user as the rules see one. */
export function userPrincipal(user: string, claims: Readonly<Record<string, unknown>>): Principal {
  return { ...ANONYMOUS, kind: 'user', user, claims };
}

function allowedBy({ kind }: AccessAnswer): boolean | undefined {
  return kind === 'ask' ? undefined : kind === 'yes';
}

function needsOf(answer: AccessAnswer): string | undefined {
  if (answer.kind === 'ask') return "the site's consent";
  return answer.kind === 'no' ? answer.needs : undefined;
}
