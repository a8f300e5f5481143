import type { ErrorCode } from '@polycast/protocol';

/** What a caller brings along: all of it is sent with each of its requests. */
export interface Credentials {
  /** Sent as `Authorization: Bearer`, unless a way of asking says otherwise. */
  readonly token?: string;
  /** Sent as `?token=`, where something is read. */
  readonly queryToken?: string;
  /** Sent in the cookie that is for tokens. */
  readonly cookieToken?: string;
  /** Of the cookie that the site's login is known by. */
  readonly session?: string;
}

/** What callers are made of, once the hub and the site run. */
export interface Purse {
  /** A token that the hub's issuer signed for a user. */
  token(user: string, claims?: Readonly<Record<string, unknown>>): string;
  /** A token for user 7 that somebody else signed. */
  forgedToken(): string;
  /** The text of a key, by the name that the world gave it. */
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
  /** `nobody`: not known. `user`, `server`: known. Else the code with which the credentials themselves are refused, wherever they are looked at. */
  readonly standing: 'nobody' | 'user' | 'server' | ErrorCode;
  /** Who the site knows it as. */
  readonly user?: string;
  readonly brings: (purse: Purse) => Credentials;
}

/** Before anything was revoked. */
const A_MINUTE_AGO_S = Math.floor(Date.now() / 1000) - 60;
const EXPIRED_S = 1_600_000_000;

/** Every kind of caller. User 7 is "the right user" of all that belongs to one. */
export const CALLERS: readonly Caller[] = [
  { name: 'none', standing: 'nobody', brings: () => ({}) },
  { name: 'gibberish', standing: 'unauthorized', brings: () => ({ token: 'gibberish' }) },
  {
    name: 'token, expired',
    standing: 'token_expired',
    brings: ({ token }) => ({ token: token('7', { iat: EXPIRED_S - 60, exp: EXPIRED_S }) }),
  },
  { name: 'token, wrong signature', standing: 'unauthorized', brings: ({ forgedToken }) => ({ token: forgedToken() }) },
  {
    name: 'token, revoked',
    standing: 'unauthorized',
    brings: ({ token }) => ({ token: token('7', { jti: 'revoked', iat: A_MINUTE_AGO_S }) }),
  },
  {
    name: 'token, of a revoked user',
    standing: 'unauthorized',
    brings: ({ token }) => ({ token: token('66', { iat: A_MINUTE_AGO_S }) }),
  },
  { name: 'token, right user', standing: 'user', user: '7', brings: ({ token }) => ({ token: token('7') }) },
  { name: 'token, other user', standing: 'user', user: '8', brings: ({ token }) => ({ token: token('8') }) },
  {
    name: 'token, with the claim',
    standing: 'user',
    user: '9',
    brings: ({ token }) => ({ token: token('9', { role: 'staff' }) }),
  },
  {
    name: 'token, with grants',
    standing: 'user',
    user: '10',
    brings: ({ token }) => ({ token: token('10', { polycast: { subscribe: ['backend.>'], publish: ['backend.>'] } }) }),
  },
  {
    name: 'token, with a grant of everything',
    standing: 'user',
    user: '11',
    brings: ({ token }) => ({ token: token('11', { polycast: { subscribe: ['>'], publish: ['>'] } }) }),
  },
  {
    name: 'key, unknown secret',
    standing: 'unauthorized',
    brings: ({ key }) => ({ token: withoutSecret(key('full')) }),
  },
  { name: 'key, expired', standing: 'token_expired', brings: ({ key }) => ({ token: key('expired') }) },
  { name: 'key, revoked', standing: 'unauthorized', brings: ({ key }) => ({ token: key('revoked') }) },
  { name: 'key without the scope', standing: 'server', brings: ({ key }) => ({ token: key('narrow') }) },
  { name: 'key with it', standing: 'server', brings: ({ key }) => ({ token: key('full') }) },
  { name: 'key for subscriptions', standing: 'server', brings: ({ key }) => ({ token: key('subscriptions') }) },
  {
    name: 'key for these subscriptions and their channels',
    standing: 'server',
    brings: ({ key }) => ({ token: key('deliveries') }),
  },
  { name: 'key for other subscriptions', standing: 'server', brings: ({ key }) => ({ token: key('others') }) },
  { name: 'key for users', standing: 'server', brings: ({ key }) => ({ token: key('users') }) },
  { name: 'key for administration', standing: 'server', brings: ({ key }) => ({ token: key('administration') }) },
  { name: 'admin', standing: 'server', brings: ({ key }) => ({ token: key('admin') }) },
  { name: 'login, right user', standing: 'user', user: '7', brings: () => ({ session: 'seven' }) },
  { name: 'login, other user', standing: 'user', user: '8', brings: () => ({ session: 'eight' }) },
  { name: 'login, unknown to the site', standing: 'nobody', brings: () => ({ session: 'stranger' }) },
  { name: 'login, the site is down', standing: 'identity_unavailable', brings: () => ({ session: 'outage' }) },
];

function withoutSecret(key: string): string {
  return key.replace(/.{8}$/, 'AAAAAAAA');
}
