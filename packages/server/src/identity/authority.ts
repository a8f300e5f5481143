import { PolycastError } from '@polycast/protocol';
import type { Access } from '../core/access.ts';
import { relationOf } from '../core/pattern-relation.ts';
import type { Authority, AuthorityDecision, Credentials } from '../core/ports.ts';
import { ANONYMOUS, type Action, type Principal, type Revocation, type Scope } from '../core/principal.ts';

/** One way of finding out who somebody is: by a key, by a token, by asking the site. */
export interface Identifier {
  /**
   * Who these credentials belong to; `undefined` when they are not of its kind.
   * Throws or rejects with PolycastError `unauthorized`, `token_expired` or `identity_unavailable`.
   */
  identify(credentials: Credentials): Principal | Promise<Principal> | undefined;
  /** As `Authority.renew`; `undefined` also for principals that are not of its making. */
  renew?(principal: Principal): Promise<Principal> | undefined;
  /** As `Authority.forget`. */
  forget?(user: string): void;
}

/** What has been taken back before its time; it outlives a restart. */
export interface Revocations {
  isRevoked(principal: Principal): boolean;
  /** Told of each new one. */
  onRevoked(listener: (revocation: Revocation) => void): void;
}

/** The site's own word on a channel, where a rule says `site`. */
export interface Consent {
  /** Rejects with PolycastError `identity_unavailable` when the site cannot be asked. */
  ask(principal: Principal, action: Action, pattern: string): boolean | Promise<boolean>;
  /** As `Authority.holdsUntil`, of what was asked last. */
  holdsUntil?(principal: Principal, action: Action, pattern: string): number;
  /** As `Authority.forget`. */
  forget?(user: string): void;
}

export interface AuthorityParts {
  readonly access: Access;
  /** Asked in this order. */
  readonly identifiers: readonly Identifier[];
  readonly revocations: Revocations;
  readonly consent: Consent;
}

/** Access control by the rules: who somebody is by what they bring along, what they may do by what the rules say. */
export function createAuthority({ access, identifiers, revocations, consent }: AuthorityParts): Authority {
  const stands = (principal: Principal): boolean =>
    principal.signer?.isRetired !== true && !revocations.isRevoked(principal);
  const valid = (principal: Principal): Principal => {
    if (stands(principal)) return principal;
    throw new PolycastError('unauthorized', 'These credentials have been revoked.');
  };
  return {
    nobody: ANONYMOUS,
    identify(credentials) {
      for (const identifier of identifiers) {
        const principal = identifier.identify(credentials);
        if (principal !== undefined) return principal instanceof Promise ? principal.then(valid) : valid(principal);
      }
      if (credentials.token === undefined) return ANONYMOUS;
      throw new PolycastError('unauthorized', 'The token is of no kind that is known here.');
    },
    decide(principal, action, pattern) {
      const answer = access.decide(principal, action, pattern);
      if (answer.kind === 'yes') return YES;
      const judge = (isAllowed: boolean): AuthorityDecision =>
        isAllowed
          ? YES
          : refusal(principal, `${WISHES[action]} ${pattern} is not allowed.`, answer.by, needsOf(answer));
      if (answer.kind === 'no') return judge(false);
      const asked = consent.ask(principal, action, pattern);
      return asked instanceof Promise ? asked.then(judge) : judge(asked);
    },
    ...(consent.holdsUntil !== undefined && {
      holdsUntil: (principal: Principal, action: Action, pattern: string) =>
        access.decide(principal, action, pattern).kind === 'ask'
          ? (consent.holdsUntil?.(principal, action, pattern) ?? Infinity)
          : Infinity,
    }),
    mayEver: (principal, action) => access.mayEver(principal, action),
    permits,
    renew(principal) {
      for (const identifier of identifiers) {
        const renewed = identifier.renew?.(principal);
        if (renewed !== undefined) return renewed.then(valid);
      }
      return undefined;
    },
    stands,
    forget(user) {
      for (const each of [...identifiers, consent]) each.forget?.(user);
    },
    onRevoked: (listener) => revocations.onRevoked(listener),
  };
}

const YES: AuthorityDecision = { allowed: true };

const WISHES: Readonly<Record<Action, string>> = {
  subscribe: 'Subscribing to',
  publish: 'Publishing to',
  history: 'Looking back on',
  presence: 'Seeing who is on',
};

function needsOf(answer: Exclude<ReturnType<Access['decide']>, { kind: 'yes' }>): string {
  return answer.kind === 'no' ? answer.needs : "the site's consent";
}

function permits(principal: Principal, scope: Scope, channels: readonly string[] = []): AuthorityDecision {
  const { grants } = principal;
  // Who may make keys could make one for this.
  const patterns = grants[scope] ?? (scope === 'users' ? grants.admin : undefined);
  if (patterns === undefined)
    return refusal(
      principal,
      `This asks for a key with the scope ${scope}.`,
      'the scopes of the key',
      scopeNamed(scope),
    );
  const missing = channels.find((channel) => !patterns.some((pattern) => relationOf(pattern, channel) === 'covers'));
  if (missing === undefined) return YES;
  const detail = `This asks for a key with the scope ${scope} for ${missing}.`;
  return refusal(principal, detail, 'the scopes of the key', `${scopeNamed(scope)} for ${missing}`);
}

function scopeNamed(scope: Scope): string {
  return `a key with the scope ${scope}`;
}

/** Who brought nothing along is asked to; who is known is told that it is not enough. */
function refusal({ kind }: Principal, detail: string, by: string, needs: string): AuthorityDecision {
  return { allowed: false, code: kind === 'anonymous' ? 'unauthorized' : 'forbidden', detail, by, needs };
}

/** Where nothing can be revoked, and no site is asked. */
export const NOTHING_REVOKED: Revocations = { isRevoked: () => false, onRevoked: () => undefined };
export const NO_CONSENT: Consent = { ask: () => false };
