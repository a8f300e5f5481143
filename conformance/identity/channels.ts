import type { CallerName } from './callers.ts';

/**
 * A channel of each kind: its rule, and the callers with access. The hub of the matrix has these
 * rules and no others.
 */
export interface ChannelRow {
  readonly channel: string;
  readonly rule?: Readonly<Record<string, unknown>> & { readonly pattern: string };
  readonly subscribe: readonly CallerName[];
  /** Callers who may also read its history. */
  readonly history: readonly CallerName[];
  readonly publish: readonly CallerName[];
  /** Callers for whom the hub cannot reach the site. */
  readonly unavailable?: readonly CallerName[];
}

const TOKENS: readonly CallerName[] = [
  'token, right user',
  'token, other user',
  'token, with the claim',
  'token, with grants',
  'token, with a grant of everything',
];
const LOGINS: readonly CallerName[] = ['login, right user', 'login, other user'];
const USERS: readonly CallerName[] = [...TOKENS, ...LOGINS];
const SEVEN: readonly CallerName[] = ['token, right user', 'login, right user'];
const EIGHT: readonly CallerName[] = ['token, other user', 'login, other user'];
/**
 * `>` in a user's token covers the site's channels only. It would have to name channels that begin
 * with `polycast.`.
 */
const ALL_GRANTED: CallerName = 'token, with a grant of everything';
/** A server's key is decided by its scopes alone, also where anyone may read. */
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
    publish: [ALL_GRANTED, ...KEYS],
  },
  {
    channel: 'inbox.7.letters',
    rule: { pattern: 'inbox.{user}.>', subscribe: 'owner', publish: 'owner' },
    subscribe: [...SEVEN, ALL_GRANTED, ...KEYS],
    history: [...SEVEN, ALL_GRANTED, ...KEYS],
    publish: [...SEVEN, ALL_GRANTED, ...KEYS],
  },
  {
    channel: 'staff.board',
    rule: {
      pattern: 'staff.>',
      subscribe: { claim: 'role', value: 'staff' },
      publish: { claim: 'role', value: 'staff' },
    },
    subscribe: ['token, with the claim', ALL_GRANTED, ...KEYS],
    history: ['token, with the claim', ALL_GRANTED, ...KEYS],
    publish: ['token, with the claim', ALL_GRANTED, ...KEYS],
  },
  {
    channel: 'asked.7',
    rule: { pattern: 'asked.>', subscribe: 'site', publish: 'site' },
    subscribe: [...SEVEN, ALL_GRANTED, ...KEYS],
    history: [...SEVEN, ALL_GRANTED, ...KEYS],
    publish: [...SEVEN, ALL_GRANTED, ...KEYS],
  },
  // The hub cannot ask the site about this one, so only callers with another permission have
  // access.
  {
    channel: 'asked.outage',
    subscribe: [ALL_GRANTED, ...KEYS],
    history: [ALL_GRANTED, ...KEYS],
    publish: [ALL_GRANTED, ...KEYS],
    unavailable: USERS.filter((name) => name !== ALL_GRANTED),
  },
  {
    channel: 'backend.jobs',
    subscribe: ['token, with grants', ALL_GRANTED, ...KEYS],
    history: ['token, with grants', ALL_GRANTED, ...KEYS],
    publish: ['token, with grants', ALL_GRANTED, ...KEYS],
  },
  // Private channels by their own name: the user may read them, and never write to them.
  {
    channel: 'polycast.private.8',
    subscribe: [...EIGHT, ...KEYS],
    history: [...EIGHT, ...KEYS],
    publish: KEYS,
  },
];

/** Callers who may read all channels of a pattern, and one of these channels. */
export interface PatternRow {
  readonly pattern: string;
  readonly channel: string;
  readonly subscribe: readonly CallerName[];
}

/** A pattern allows only what its channels allow: it needs permission by every rule for them. */
export const PATTERNS: readonly PatternRow[] = [
  { pattern: 'open.*', channel: 'open.news', subscribe: ANYONE },
  { pattern: 'members.>', channel: 'members.news', subscribe: [...USERS, ...KEYS] },
  { pattern: 'inbox.7.>', channel: 'inbox.7.letters', subscribe: [...SEVEN, ALL_GRANTED, ...KEYS] },
  { pattern: 'inbox.*.letters', channel: 'inbox.7.letters', subscribe: [ALL_GRANTED, ...KEYS] },
  { pattern: '*.7.letters', channel: 'inbox.7.letters', subscribe: KEYS },
  { pattern: '*.news', channel: 'open.news', subscribe: KEYS },
  { pattern: '>', channel: 'open.news', subscribe: KEYS },
  { pattern: 'polycast.>', channel: 'polycast.private.8', subscribe: KEYS },
  { pattern: 'polycast.private.*', channel: 'polycast.private.8', subscribe: KEYS },
  { pattern: '*.private.8', channel: 'polycast.private.8', subscribe: KEYS },
];
