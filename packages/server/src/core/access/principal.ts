import type { PortalOwner } from './portal-link.ts';

/** An action on a channel. `presence`: to see its members. */
export type Action = 'subscribe' | 'publish' | 'history' | 'presence';

/** A permission of a key or a token: for channels, or for the hub itself. */
export type Scope = 'subscribe' | 'publish' | 'subscriptions' | 'users' | 'admin';

/** Patterns for each scope. `users` and `admin` have `>` for "all". */
export type Grants = Readonly<Partial<Record<Scope, readonly string[]>>> & {
  /** A token may say that its user may log in to the console (PROTOCOL.md section 13.9). */
  readonly console?: true;
};

/**
 * The author of a request: an anonymous client, one of the site's users, or a server of the site
 * with a key of the hub.
 */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'server';
  /** The site's own name for the user: 1 to 128 characters, without control characters. */
  readonly user: string | undefined;
  /** The public info about the user that presence publishes. JSON. */
  readonly info: unknown;
  /** The site's statements about the user, which rules can refer to. */
  readonly claims: Readonly<Record<string, unknown>>;
  /**
   * The permissions of the credentials themselves. A server has no others. A user has them in
   * addition to those of the rules.
   */
  readonly grants: Grants;
  /** The ids of the credentials, by which they can be revoked. */
  readonly key: string | undefined;
  readonly token: string | undefined;
  /** Present when the credentials are those of a portal link (`portal-link.ts`). */
  readonly portal?: PortalOwner;
  /** The key that signed the token, where that key can be withdrawn by itself. */
  readonly signer?: Signer;
  /**
   * The time at which the credentials were issued, milliseconds since 1970; 0 if that is not known.
   */
  readonly issuedMs: number;
  /** The time at which the credentials expire, milliseconds since 1970; `Infinity` for never. */
  readonly expiresMs: number;
}

/**
 * A signing key of another party. Each key is one object, so that revocations find the clients that
 * it let in.
 */
export interface Signer {
  /** The owner has withdrawn the key: its signatures are no longer valid. */
  readonly isRetired: boolean;
}

export const ANONYMOUS: Principal = {
  kind: 'anonymous',
  user: undefined,
  info: undefined,
  claims: {},
  grants: {},
  key: undefined,
  token: undefined,
  issuedMs: 0,
  expiresMs: Infinity,
};

/** A revocation: it ends all credentials and sessions that match all the given members. */
export interface Revocation {
  readonly user?: string;
  readonly token?: string;
  readonly key?: string;
  readonly session?: string;
  readonly signer?: Signer;
  /**
   * It revokes credentials issued before this time, milliseconds since 1970. Those issued later are
   * valid.
   */
  readonly issuedBeforeMs: number;
}
