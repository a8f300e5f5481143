import type { ErrorCode } from '@polycast/protocol';

/** The credentials of a caller, sent with each of its requests. */
export interface Credentials {
  /** Sent as `Authorization: Bearer`, unless the request says otherwise. */
  readonly token?: string;
  /** Sent as `?token=`, in requests that read. */
  readonly queryToken?: string;
  /** Sent in the configured token cookie. */
  readonly cookieToken?: string;
  /** The cookie of the site's login. */
  readonly session?: string;
}

/** The source of the credentials, once the hub and the site run. */
export interface CredentialIssuer {
  /** A token that the hub's issuer signed for a user. */
  token(user: string, claims?: Readonly<Record<string, unknown>>): string;
  /** A token for user 7, signed with another key. */
  forgedToken(): string;
  /** The text of a key, by its name. */
  key(name: KeyName): string;
}

export type KeyName =
  | 'admin'
  | 'administration'
  | 'full'
  | 'narrow'
  | 'subscriptions'
  | 'deliveries'
  | 'others'
  | 'users'
  | 'revoked'
  | 'expired';

export type CallerName =
  | 'none'
  | 'gibberish'
  | 'token, expired'
  | 'token, wrong signature'
  | 'token, revoked'
  | 'token, of a revoked user'
  | 'token, right user'
  | 'token, other user'
  | 'token, with the claim'
  | 'token, with grants'
  | 'token, with a grant of everything'
  | 'key, unknown secret'
  | 'key, expired'
  | 'key, revoked'
  | 'key without the scope'
  | 'key with it'
  | 'key for subscriptions'
  | 'key for these subscriptions and their channels'
  | 'key for other subscriptions'
  | 'key for users'
  | 'key for administration'
  | 'admin'
  | 'login, right user'
  | 'login, other user'
  | 'login, unknown to the site'
  | 'login, the site is down';

export interface Caller {
  readonly name: CallerName;
  /**
   * `nobody`: not known. `user`, `server`: known. Otherwise the code with which the credentials are
   * refused wherever they are checked.
   */
  readonly credentialsStatus: 'nobody' | 'user' | 'server' | ErrorCode;
  /** The user's name at the site. */
  readonly user?: string;
  readonly credentials: (issuer: CredentialIssuer) => Credentials;
}

/** Called before the revocations. */
const A_MINUTE_AGO_S = Math.floor(Date.now() / 1000) - 60;
const EXPIRED_S = 1_600_000_000;

/** Every kind of caller. User 7 is the owner of all channels for one user. */
export const CALLERS: readonly Caller[] = [
  { name: 'none', credentialsStatus: 'nobody', credentials: () => ({}) },
  { name: 'gibberish', credentialsStatus: 'unauthorized', credentials: () => ({ token: 'gibberish' }) },
  {
    name: 'token, expired',
    credentialsStatus: 'token_expired',
    credentials: ({ token }) => ({ token: token('7', { iat: EXPIRED_S - 60, exp: EXPIRED_S }) }),
  },
  {
    name: 'token, wrong signature',
    credentialsStatus: 'unauthorized',
    credentials: ({ forgedToken }) => ({ token: forgedToken() }),
  },
  {
    name: 'token, revoked',
    credentialsStatus: 'unauthorized',
    credentials: ({ token }) => ({ token: token('7', { jti: 'revoked', iat: A_MINUTE_AGO_S }) }),
  },
  {
    name: 'token, of a revoked user',
    credentialsStatus: 'unauthorized',
    credentials: ({ token }) => ({ token: token('66', { iat: A_MINUTE_AGO_S }) }),
  },
  {
    name: 'token, right user',
    credentialsStatus: 'user',
    user: '7',
    credentials: ({ token }) => ({ token: token('7') }),
  },
  {
    name: 'token, other user',
    credentialsStatus: 'user',
    user: '8',
    credentials: ({ token }) => ({ token: token('8') }),
  },
  {
    name: 'token, with the claim',
    credentialsStatus: 'user',
    user: '9',
    credentials: ({ token }) => ({ token: token('9', { role: 'staff' }) }),
  },
  {
    name: 'token, with grants',
    credentialsStatus: 'user',
    user: '10',
    credentials: ({ token }) => ({
      token: token('10', { polycast: { subscribe: ['backend.>'], publish: ['backend.>'] } }),
    }),
  },
  {
    name: 'token, with a grant of everything',
    credentialsStatus: 'user',
    user: '11',
    credentials: ({ token }) => ({ token: token('11', { polycast: { subscribe: ['>'], publish: ['>'] } }) }),
  },
  {
    name: 'key, unknown secret',
    credentialsStatus: 'unauthorized',
    credentials: ({ key }) => ({ token: withoutSecret(key('full')) }),
  },
  { name: 'key, expired', credentialsStatus: 'token_expired', credentials: ({ key }) => ({ token: key('expired') }) },
  { name: 'key, revoked', credentialsStatus: 'unauthorized', credentials: ({ key }) => ({ token: key('revoked') }) },
  { name: 'key without the scope', credentialsStatus: 'server', credentials: ({ key }) => ({ token: key('narrow') }) },
  { name: 'key with it', credentialsStatus: 'server', credentials: ({ key }) => ({ token: key('full') }) },
  {
    name: 'key for subscriptions',
    credentialsStatus: 'server',
    credentials: ({ key }) => ({ token: key('subscriptions') }),
  },
  {
    name: 'key for these subscriptions and their channels',
    credentialsStatus: 'server',
    credentials: ({ key }) => ({ token: key('deliveries') }),
  },
  {
    name: 'key for other subscriptions',
    credentialsStatus: 'server',
    credentials: ({ key }) => ({ token: key('others') }),
  },
  { name: 'key for users', credentialsStatus: 'server', credentials: ({ key }) => ({ token: key('users') }) },
  {
    name: 'key for administration',
    credentialsStatus: 'server',
    credentials: ({ key }) => ({ token: key('administration') }),
  },
  { name: 'admin', credentialsStatus: 'server', credentials: ({ key }) => ({ token: key('admin') }) },
  { name: 'login, right user', credentialsStatus: 'user', user: '7', credentials: () => ({ session: 'seven' }) },
  { name: 'login, other user', credentialsStatus: 'user', user: '8', credentials: () => ({ session: 'eight' }) },
  { name: 'login, unknown to the site', credentialsStatus: 'nobody', credentials: () => ({ session: 'stranger' }) },
  {
    name: 'login, the site is down',
    credentialsStatus: 'identity_unavailable',
    credentials: () => ({ session: 'outage' }),
  },
];

function withoutSecret(key: string): string {
  return key.replace(/.{8}$/, 'AAAAAAAA');
}
