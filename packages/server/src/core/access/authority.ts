import type { Action, Principal, Revocation, Scope } from './principal.ts';

/**
 * Identifies clients and decides what they may do. Transports receive a yes, or the error with the
 * reason.
 */
export interface Authority {
  /**
   * The principal of these credentials. Rejects with PolycastError `unauthorized`, `token_expired`,
   * or `identity_unavailable` when it cannot be determined now. Without credentials: `ANONYMOUS`.
   */
  identify(credentials: Credentials): Principal | Promise<Principal>;
  /** The principal of every request without credentials, where it is always the same one. */
  readonly defaultPrincipal?: Principal;
  /**
   * A yes, or the error with the reason and the rule that decided. `pattern` is a channel or a
   * pattern.
   */
  decide(principal: Principal, action: Action, pattern: string): AuthorityDecision | Promise<AuthorityDecision>;
  /**
   * Whether there is a channel for which `decide` may say yes. Absent where there always is one.
   */
  mightAllow?(principal: Principal, action: Action): boolean;
  /**
   * The time until which the last yes is valid, milliseconds since 1970. The site sets it for its
   * own decisions. `Infinity` for decisions by rules and credentials. Absent where the hub asks no
   * other party.
   */
  validUntil?(principal: Principal, action: Action, pattern: string): number;
  /**
   * A yes if the principal has the scope. `admin` and `users` are for the whole hub. For
   * `subscriptions`, the patterns of the scope must cover the given channels and patterns, if any.
   */
  hasScope(principal: Principal, scope: Scope, channels?: readonly string[]): AuthorityDecision;
  /**
   * Extends a user's credentials beyond `expiresMs` without the client's help. A session that stays
   * calls it before that time. `undefined` where only the client can renew them.
   * Rejects with PolycastError `unauthorized` when they have ended, or `identity_unavailable` when
   * that cannot be determined and the grace is over.
   */
  renew?(principal: Principal): Promise<Principal> | undefined;
  /**
   * Whether an identified principal has not been revoked since. Absent where there are no
   * revocations.
   */
  isStillValid?(principal: Principal): boolean;
  /**
   * Forgets everything remembered about a user. The next request or renewal determines it again.
   */
  forgetUser?(user: string): void;
  /** Calls the listener for all credentials that end before their time. There is one listener. */
  onRevoked(listener: (revocation: Revocation) => void): void;
}

export type AuthorityDecision =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: 'unauthorized' | 'forbidden' | 'identity_unavailable';
      /** The part of the reason that is public. */
      readonly detail: string;
      /** The rule that decided. */
      readonly by?: string;
      /** The condition that the rule asks for: `a user`, `the scope publish for orders.1`. */
      readonly needs?: string;
    };

/**
 * The credentials of a request or a connection. The authority looks up only those that it needs.
 */
export interface Credentials {
  /**
   * The token from `Authorization: Bearer`, `?token=`, a cookie, or the `auth` message: the first
   * of them.
   */
  readonly token: string | undefined;
  /**
   * The value of a cookie. `undefined` also where the origin of the sending page is not allowed.
   */
  cookie(name: string): string | undefined;
  /**
   * The value of a cookie that only the hub's own pages may use. Absent for credentials in a
   * message.
   */
  ownCookie?(name: string): string | undefined;
  header(name: string): string | undefined;
  readonly origin: string | undefined;
  /** The client's address. Behind trusted proxies: the address that they report. */
  readonly address: string;
}
