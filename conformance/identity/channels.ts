import type { CallerName } from './callers.ts';

/** A channel of each kind: the rule that opens it, and who may. The hub of the matrix has these rules and no others. */
export interface ChannelRow {
  readonly channel: string;
  readonly rule?: Readonly<Record<string, unknown>> & { readonly pattern: string };
  readonly subscribe: readonly CallerName[];
  /** Those who may also see what was before they came. */
  readonly history: readonly CallerName[];
  readonly publish: readonly CallerName[];
}

const TOKENS: readonly CallerName[] = [
  'token, right user',
  'token, other user',
  'token, with the claim',
  'token, with grants',
];
const LOGINS: readonly CallerName[] = ['login, right user', 'login, other user'];
const USERS: readonly CallerName[] = [...TOKENS, ...LOGINS];
const SEVEN: readonly CallerName[] = ['token, right user', 'login, right user'];
const EIGHT: readonly CallerName[] = ['token, other user', 'login, other user'];
/** A server's key is decided by its scopes alone, even where anyone may. */
const KEYS: readonly CallerName[] = ['key with it', 'admin'];
const ANYONE: readonly CallerName[] = ['none', 'login, unknown to the site', ...USERS, ...KEYS];

export const CHANNELS: readonly ChannelRow[] = [
  {
    channel: 'open.news',
    rule: { pattern: 'open.>', subscribe: 'anyone', publish: 'anyone' },
    subscribe: ANYONE,
    history: ANYONE,
    publish: ANYONE,
  },
  {
    channel: 'members.news',
    rule: { pattern: 'members.>', subscribe: 'users', publish: 'users', presence: 'users' },
    subscribe: [...USERS, ...KEYS],
    history: [...USERS, ...KEYS],
    publish: [...USERS, ...KEYS],
  },
  {
    channel: 'talk.one',
    rule: { pattern: 'talk.>', subscribe: 'anyone', history: 'users', publish: 'server' },
    subscribe: ANYONE,
    history: [...USERS, ...KEYS],
    publish: KEYS,
  },
  {
    channel: 'inbox.7.letters',
    rule: { pattern: 'inbox.{user}.>', subscribe: 'owner', publish: 'owner' },
    subscribe: [...SEVEN, ...KEYS],
    history: [...SEVEN, ...KEYS],
    publish: [...SEVEN, ...KEYS],
  },
  {
    channel: 'staff.board',
    rule: {
      pattern: 'staff.>',
      subscribe: { claim: 'role', value: 'staff' },
      publish: { claim: 'role', value: 'staff' },
    },
    subscribe: ['token, with the claim', ...KEYS],
    history: ['token, with the claim', ...KEYS],
    publish: ['token, with the claim', ...KEYS],
  },
  {
    channel: 'asked.7',
    rule: { pattern: 'asked.>', subscribe: 'site', publish: 'site' },
    subscribe: [...SEVEN, ...KEYS],
    history: [...SEVEN, ...KEYS],
    publish: [...SEVEN, ...KEYS],
  },
  {
    channel: 'backend.jobs',
    subscribe: ['token, with grants', ...KEYS],
    history: ['token, with grants', ...KEYS],
    publish: ['token, with grants', ...KEYS],
  },
  // Private channels by their own name: the user's to read, and never a user's to write.
  {
    channel: 'polycast.private.8',
    subscribe: [...EIGHT, ...KEYS],
    history: [...EIGHT, ...KEYS],
    publish: KEYS,
  },
];
