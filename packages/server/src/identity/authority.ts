import { PolycastError } from '@polycast/protocol';
import type { AccessPolicy } from '../core/access/access-policy.ts';
import { relationOf } from '../core/access/pattern-relation.ts';
import type { Authority, AuthorityDecision, Credentials } from '../core/access/authority.ts';
import { ANONYMOUS, type Action, type Principal, type Revocation, type Scope } from '../core/access/principal.ts';

/** One way to identify the sender of a request: by a key, by a token, or by the site's login. */
export interface Identifier {
  /**
   * Returns the principal of these credentials, or `undefined` when they are of another kind.
   * Throws or rejects with PolycastError `unauthorized`, `token_expired` or `identity_unavailable`.
   */
  identify(credentials: Credentials): Principal | Promise<Principal | undefined> | undefined;
  /** See `Authority.renew`. Returns `undefined` also for principals of another identifier. */
  renew?(principal: Principal): Promise<Principal> | undefined;
  /** See `Authority.forgetUser`. */
  forget?(user: string): void;
}

/** Credentials that were revoked before they expired. Revocations survive a restart. */
export interface Revocations {
  isRevoked(principal: Principal): boolean;
  /** Calls the listener for each new revocation. */
  onRevoked(listener: (revocation: Revocation) => void): void;
}

/** The site's decision on a channel, for rules that say `site`. */
export interface ChannelAuthorizer {
  /** Rejects with PolycastError `identity_unavailable` when the site cannot be asked. */
  authorize(principal: Principal, action: Action, pattern: string): boolean | Promise<boolean>;
  /** See `Authority.validUntil`, for the newest answer of the site. */
  validUntil?(principal: Principal, action: Action, pattern: string): number;
  /** See `Authority.forgetUser`. */
  forget?(user: string): void;
}

export interface AuthorityParts {
  readonly access: AccessPolicy;
  /** Asked in this order. */
  readonly identifiers: readonly Identifier[];
  readonly revocations: Revocations;
  readonly channelAuthorizer: ChannelAuthorizer;
}

/**
 * Access control by rules. The identifiers find the principal of a request. The rules, the scopes
 * of keys and the site decide what it may do.
 */
export function createAuthority({ access, identifiers, revocations, channelAuthorizer }: AuthorityParts): Authority {
  const isStillValid = (principal: Principal): boolean =>
    principal.signer?.isRetired !== true && !revocations.isRevoked(principal);
  const assertStillValid = (principal: Principal, identifier: Identifier): Principal => {
    if (isStillValid(principal)) return principal;
    // An answer of the site may be too old by a moment. It was asked for in the millisecond of the
    // revocation, or the clock of the hub that revoked is ahead. The next request asks again.
    if (principal.user !== undefined) identifier.forget?.(principal.user);
    throw new PolycastError('unauthorized', 'These credentials have been revoked.');
  };
  const identifyFrom = (first: number, credentials: Credentials): Principal | Promise<Principal> => {
    for (let index = first; index < identifiers.length; index++) {
      const identifier = identifiers[index] as Identifier;
      const principal = identifier.identify(credentials);
      if (principal instanceof Promise)
        return principal.then((known) =>
          known === undefined ? identifyFrom(index + 1, credentials) : assertStillValid(known, identifier),
        );
      if (principal !== undefined) return assertStillValid(principal, identifier);
    }
    if (credentials.token === undefined) return ANONYMOUS;
    throw new PolycastError('unauthorized', 'The token is of an unknown kind.');
  };
  return {
    defaultPrincipal: ANONYMOUS,
    identify: (credentials) => identifyFrom(0, credentials),
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
        if (renewed !== undefined) return renewed.then((known) => assertStillValid(known, identifier));
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
  history: 'Reading the history of',
  presence: 'Reading the presence of',
};

function needsOf(answer: Exclude<ReturnType<AccessPolicy['decide']>, { kind: 'yes' }>): string {
  return answer.kind === 'no' ? answer.needs : "the site's consent";
}

function permits(principal: Principal, scope: Scope, channels: readonly string[] = []): AuthorityDecision {
  const { grants } = principal;
  // A key with the scope `admin` could create a key with the scope `users`.
  const patterns = grants[scope] ?? (scope === 'users' ? grants.admin : undefined);
  if (patterns === undefined)
    return denied(
      principal,
      `This requires a key with the scope ${scope}.`,
      'the scopes of the key',
      scopeNamed(scope),
    );
  const missing = channels.find((channel) => !patterns.some((pattern) => relationOf(pattern, channel) === 'covers'));
  if (missing === undefined) return ALLOWED;
  const detail = `This requires a key with the scope ${scope} for ${missing}.`;
  return denied(principal, detail, 'the scopes of the key', `${scopeNamed(scope)} for ${missing}`);
}

function scopeNamed(scope: Scope): string {
  return `a key with the scope ${scope}`;
}

/**
 * An anonymous client receives `unauthorized`, so that it sends credentials. A known one receives
 * `forbidden`.
 */
function denied({ kind }: Principal, detail: string, by: string, needs: string): AuthorityDecision {
  return { allowed: false, code: kind === 'anonymous' ? 'unauthorized' : 'forbidden', detail, by, needs };
}

/** Parts for hubs without revocations and without a site. */
export const NO_REVOCATIONS: Revocations = { isRevoked: () => false, onRevoked: () => undefined };
export const DENY_ALL: ChannelAuthorizer = { authorize: () => false };
