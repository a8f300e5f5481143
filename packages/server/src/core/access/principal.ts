/** What somebody may be allowed to do with a channel. `presence`: see who is there. */
export type Action = 'subscribe' | 'publish' | 'history' | 'presence';

/** What a key or a token may be good for: channels, or the hub itself. */
export type Scope = 'subscribe' | 'publish' | 'subscriptions' | 'users' | 'admin';

/** Patterns for each scope; `users` and `admin` have `>` for "all". */
export type Grants = Readonly<Partial<Record<Scope, readonly string[]>>>;

/** Who asks: nobody known, one of the site's users, or a server of the site's with a key of the hub's. */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'server';
  /** The site's own name for the user: 1 to 128 characters, none of them a control character. */
  readonly user: string | undefined;
  /** What others see of the user where presence is shown; JSON. */
  readonly info: unknown;
  /** What the site says of the user: rules may ask for it. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** What the credentials themselves allow. For a server that is all; for a user it adds to what the rules allow. */
  readonly grants: Grants;
  /** The credentials' own names, by which they can be revoked. */
  readonly key: string | undefined;
  readonly token: string | undefined;
  /** What vouches for the credentials, where that can be withdrawn by itself: the key that a token is signed with. */
  readonly signer?: Signer;
  /** When the credentials were given out, milliseconds since 1970; 0 if that is not known. */
  readonly issuedMs: number;
  /** From then on they are good for nothing, milliseconds since 1970; `Infinity` for never. */
  readonly expiresMs: number;
}

/** A key that somebody else answers for. Each is one object: who was let in by it is known by that. */
export interface Signer {
  /** Its owner no longer has it: nothing that it signed is good any more. */
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

/** Whose standing has ended: everything of theirs that matches all the given members. */
export interface Revocation {
  readonly user?: string;
  readonly token?: string;
  readonly key?: string;
  readonly session?: string;
  readonly signer?: Signer;
  /** Credentials given out before this are meant; those given out later are good again. */
  readonly issuedBeforeMs: number;
}
