import { PolycastError } from '@polycast/protocol';
import type { AccessPolicy } from '../core/access/access-policy.ts';
import { relationOf } from '../core/access/pattern-relation.ts';
import type { Authority, AuthorityDecision, Credentials } from '../core/ports.ts';
import { ANONYMOUS, type Action, type Principal, type Revocation, type Scope } from '../core/access/principal.ts';

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
export interface ChannelAuthorizer {
  /** Rejects with PolycastError `identity_unavailable` when the site cannot be asked. */
  authorize(principal: Principal, action: Action, pattern: string): boolean | Promise<boolean>;
  /** As `Authority.holdsUntil`, of what was asked last. */
  validUntil?(principal: Principal, action: Action, pattern: string): number;
  /** As `Authority.forget`. */
  forget?(user: string): void;
}

export interface AuthorityParts {
  readonly access: AccessPolicy;
  /** Asked in this order. */
  readonly identifiers: readonly Identifier[];
  readonly revocations: Revocations;
  readonly channelAuthorizer: ChannelAuthorizer;
}

/** Access control by the rules: who somebody is by what they bring along, what they may do by what the rules say. */
export function createAuthority({ access, identifiers, revocations, channelAuthorizer }: AuthorityParts): Authority {
  const isStillValid = (principal: Principal): boolean =>
    principal.signer?.isRetired !== true && !revocations.isRevoked(principal);
  const assertStillValid = (principal: Principal): Principal => {
    if (isStillValid(principal)) return principal;
    throw new PolycastError('unauthorized', 'These credentials have been revoked.');
  };
  return {
    defaultPrincipal: ANONYMOUS,
    identify(credentials) {
      for (const identifier of identifiers) {
        const principal = identifier.identify(credentials);
        if (principal !== undefined)
          return principal instanceof Promise ? principal.then(assertStillValid) : assertStillValid(principal);
      }
      if (credentials.token === undefined) return ANONYMOUS;
      throw new PolycastError('unauthorized', 'The token is of no kind that is known here.');
    },
    decide(principal, action, pattern) {
      const answer = access.decide(principal, action, pattern);
      if (answer.kind === 'yes') return ALLOWED;
      const decisionOf = (isAllowed: boolean): AuthorityDecision =>
        isAllowed
          ? ALLOWED
          : denied(principal, `${ACTION_PHRASES[action]} ${pattern} is not allowed.`, answer.by, needsOf(answer));
      if (answer.kind === 'no') return decisionOf(false);
      const authorization = channelAuthorizer.authorize(principal, action, pattern);
      return authorization instanceof Promise ? authorization.then(decisionOf) : decisionOf(authorization);
    },
    ...(channelAuthorizer.validUntil !== undefined && {
      validUntil: (principal: Principal, action: Action, pattern: string) =>
        access.decide(principal, action, pattern).kind === 'ask'
          ? (channelAuthorizer.validUntil?.(principal, action, pattern) ?? Infinity)
          : Infinity,
    }),
    mightAllow: (principal, action) => access.mightAllow(principal, action),
    hasScope: permits,
    renew(principal) {
      for (const identifier of identifiers) {
        const renewed = identifier.renew?.(principal);
        if (renewed !== undefined) return renewed.then(assertStillValid);
      }
      return undefined;
    },
    isStillValid,
    forgetUser(user) {
      for (const each of [...identifiers, channelAuthorizer]) each.forget?.(user);
    },
    onRevoked: (listener) => revocations.onRevoked(listener),
  };
}

const ALLOWED: AuthorityDecision = { allowed: true };

const ACTION_PHRASES: Readonly<Record<Action, string>> = {
  subscribe: 'Subscribing to',
  publish: 'Publishing to',
  history: 'Looking back on',
  presence: 'Seeing who is on',
};

function needsOf(answer: Exclude<ReturnType<AccessPolicy['decide']>, { kind: 'yes' }>): string {
  return answer.kind === 'no' ? answer.needs : "the site's consent";
}

function permits(principal: Principal, scope: Scope, channels: readonly string[] = []): AuthorityDecision {
  const { grants } = principal;
  // Who may make keys could make one for this.
  const patterns = grants[scope] ?? (scope === 'users' ? grants.admin : undefined);
  if (patterns === undefined)
    return denied(
      principal,
      `This asks for a key with the scope ${scope}.`,
      'the scopes of the key',
      scopeNamed(scope),
    );
  const missing = channels.find((channel) => !patterns.some((pattern) => relationOf(pattern, channel) === 'covers'));
  if (missing === undefined) return ALLOWED;
  const detail = `This asks for a key with the scope ${scope} for ${missing}.`;
  return denied(principal, detail, 'the scopes of the key', `${scopeNamed(scope)} for ${missing}`);
}

function scopeNamed(scope: Scope): string {
  return `a key with the scope ${scope}`;
}

/** Who brought nothing along is asked to; who is known is told that it is not enough. */
function denied({ kind }: Principal, detail: string, by: string, needs: string): AuthorityDecision {
  return { allowed: false, code: kind === 'anonymous' ? 'unauthorized' : 'forbidden', detail, by, needs };
}

/** Where nothing can be revoked, and no site is asked. */
export const NO_REVOCATIONS: Revocations = { isRevoked: () => false, onRevoked: () => undefined };
export const DENY_ALL: ChannelAuthorizer = { authorize: () => false };
