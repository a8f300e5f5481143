/**
 * The ports of the core: the interfaces through which it reaches everything outside. The core has
 * no clock, no chance, no file and no socket of its own.
 */

import type { MemoryUsage } from './primitives/byte-budget.ts';
import type { Action, Principal, Revocation, Scope } from './access/principal.ts';

/**
 * A place in the log: a whole number that rises with every event, with holes. 0 is before the first
 * event. Elsewhere: a Kafka offset.
 */
export type Position = number;

/**
 * The events that the log stores for a channel: all that the rule allows (`history`), the newest
 * one (`latest`), or none (`none`). Events of `none` channels exist in the tail in memory only.
 */
export type Retain = 'history' | 'latest' | 'none';

/** An event that is to be appended to the log. */
export interface NewRecord {
  readonly channel: string;
  readonly type: string | undefined;
  /** The time at which the hub accepted the event, milliseconds since 1970. */
  readonly timeMs: number;
  /**
   * The event's JSON from after its `id` to its end: `"channel":"a","time":"…","data":1}`. It has
   * no line break, is valid UTF-8, and never changes afterwards.
   */
  readonly body: Uint8Array;
  readonly retain: Retain;
  /**
   * 1 to 255 characters. The log appends the same key with the same channel, type and data once in
   * 24 h.
   */
  readonly idempotencyKey: string | undefined;
  /**
   * A digest (SHA-256 or similar) of the event without its time. Present when there is an
   * idempotency key: it shows whether the key is used again for another event.
   */
  readonly fingerprint: string | undefined;
  /**
   * The log appends the event only if this is the position of the channel's newest event. 0: only
   * if the channel has no event. `ANY_POSITION`: only if it has one.
   */
  readonly ifLatest: Position | undefined;
  /** The trace context of the publisher, as text (`events/trace-context.ts`). Only servers receive it. */
  readonly trace?: string | undefined;
}

/** An event that is in the log. */
export interface StoredRecord {
  readonly position: Position;
  readonly channel: string;
  readonly type: string | undefined;
  readonly timeMs: number;
  readonly body: Uint8Array;
  /** As in `NewRecord`. */
  readonly trace?: string | undefined;
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly position: Position }
  /**
   * The key was used before with the same event. These are the position, channel and time of that
   * event.
   */
  | { readonly kind: 'duplicate'; readonly position: Position; readonly channel: string; readonly timeMs: number }
  | { readonly kind: 'key_reused' }
  /**
   * `ifLatest` did not hold. `latest` is the position of the channel's newest event; 0 for none.
   */
  | { readonly kind: 'conflict'; readonly latest: Position }
  | { readonly kind: 'channel_limit' }
  /** The log cannot remember another idempotency key. */
  | { readonly kind: 'key_limit' };

export interface LogState {
  /**
   * The identity of this log's history: ten base32 digits. A wiped or restored log has another one.
   */
  readonly epoch: string;
  /**
   * The head when the epoch began. A cursor of another epoch starts here, after a gap: the log
   * cannot tell which earlier events its reader has.
   */
  readonly epochStart: Position;
  /** The newest position that is durable and that the followers have received. */
  readonly head: Position;
  /**
   * The reason why the log cannot be written at present. `undefined` while it can. Reads continue.
   */
  readonly unavailable: 'log_unavailable' | 'log_full' | undefined;
}

export interface ReadQuery {
  /** Valid patterns. An event matches if any pattern covers its channel. */
  readonly patterns: readonly string[];
  /** Only events of these types match. `undefined`: all types. */
  readonly types: readonly string[] | undefined;
  /** Events after this position, */
  readonly after: Position;
  /** up to and including this position. */
  readonly through: Position;
  /** `forward`: the oldest first. `backward`: the newest first. */
  readonly direction: 'forward' | 'backward';
  /** The page has at most this many events, */
  readonly limit: number;
  /** and at most this many bytes of bodies, but always one event. */
  readonly bytesMax: number;
}

export interface ReadPage {
  /** In the order of `direction`. */
  readonly records: readonly StoredRecord[];
  /**
   * Forward: every matching event after `after`, up to and including this position, is in the page.
   * Backward: every matching event after this position, up to and including `through`.
   * The next page has this value as its `after` (backward: as its `through`). It is never past the
   * head. A read over a sparse pattern may end early, with few records or none, so that other reads
   * do not wait.
   */
  readonly reached: Position;
  /**
   * The newest position after `after` at which a matching channel lost an event to retention.
   * `after` itself when none is lost. Replaced values of `latest` channels and events of `none`
   * channels do not count as lost.
   */
  readonly trimmedThrough: Position;
  /**
   * The newest position of the damaged events in this page. Matching events up to this position may
   * be missing. `after` itself when all events were readable.
   * Forward: `reached` is at or after this position, and `records` is empty, because the damage
   * begins right after `after`.
   */
  readonly corruptThrough: Position;
}

/** The events to count: those of a forward `ReadQuery`. */
export type CountQuery = Pick<ReadQuery, 'patterns' | 'types' | 'after' | 'through'>;

/** The other members are those of the `ReadPage` that would have these events. */
export interface CountedPage extends Pick<ReadPage, 'reached' | 'trimmedThrough' | 'corruptThrough'> {
  /** Matching events after `after`, up to and including `reached`. */
  readonly count: number;
}

export interface ChannelState {
  readonly channel: string;
  /** The number of stored events, and the sum of the bytes of their bodies. */
  readonly count: number;
  readonly bytes: number;
  /**
   * The time of the oldest stored event, and the position of the newest one. Both are 0 when there
   * is none.
   */
  readonly oldestTimeMs: number;
  readonly latestPosition: Position;
}

/**
 * Selects channels by name: those after `after`, in order. With `changedSince`, only channels with
 * an event appended after that position.
 */
export interface ChannelQuery {
  readonly after: string;
  readonly limit: number;
  readonly changedSince?: Position;
}

/** An order to remove a channel's oldest events until all given bounds hold. */
export interface TrimOrder {
  readonly channel: string;
  readonly countMax?: number;
  readonly bytesMax?: number;
  /** Removes events that were accepted before this time. */
  readonly olderThanMs?: number;
}

/** The result of one step of a scrub. A scrub compares stored events with their checksums. */
export interface CheckedRange {
  /** The position up to which events have been compared. */
  readonly reached: Position;
  /** The bytes of the events that were readable. */
  readonly bytes: number;
}

/**
 * The one ordered log.
 *
 * - Atomic: one `append` is appended as a whole or rejected. The order of the log decides each
 *   outcome: `ifLatest`, idempotency keys and the limit of channels.
 * - Durable: an event is visible only when it is durable, to the followers before its publisher.
 * - Eventual: nothing within one hub. In a home that several hubs share, positions are equal at all
 *   hubs, but the view of one hub may be behind, and its `head` with it. Such a home must let a hub
 *   wait for a position. Its rejected append may still be stored later, its epoch may change while
 *   it is open, and `follow` must report trims of other hubs.
 * - Owner: any hub appends, and the home gives the order. One hub at a time trims.
 *
 * Implementations: `storage/sqlite/log`, `storage/memory/memory-log.ts`. One contract suite in
 * `storage/contract` tests them all.
 */
export interface Log {
  readonly state: LogState;
  /**
   * Appends in the given order. Resolves with one outcome a record when all appended events are
   * durable. Events of `none` channels get positions too.
   * Rejects when it appended no event: PolycastError `log_unavailable` or `log_full`, or
   * `overloaded` when too many bytes wait already.
   */
  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]>;
  /**
   * Calls the listener with every event that becomes durable, in order, in batches, before its
   * append resolves. There is one listener.
   */
  follow(listener: (records: readonly StoredRecord[]) => void): void;
  read(query: ReadQuery): Promise<ReadPage>;
  /**
   * Counts events without their bodies. It examines a bounded number of events, so the next call
   * starts after `reached`. Damaged events may be counted.
   */
  count(query: CountQuery): Promise<CountedPage>;
  channels(query: ChannelQuery): Promise<readonly ChannelState[]>;
  /**
   * Removes events in one small step (bounded in rows). Returns the number of removed events, and
   * whether there is more to remove.
   */
  trim(orders: readonly TrimOrder[], nowMs: number): Promise<{ readonly removed: number; readonly more: boolean }>;
  /**
   * One small step of a scrub: compares the events after a position with their checksums, and
   * records the damaged ones. Absent in a log without a disk. Example: `check(0)` is `{ reached:
   * 500, bytes: 90_000 }`; at the end `reached` is the head.
   */
  check?(after: Position): Promise<CheckedRange>;
  /**
   * Figures for the metrics: bytes on disk, commits, rows, times. Names are stable; values are
   * numbers since the log was opened.
   */
  stats(): Readonly<Record<string, number>>;
  /** The memory that clients fill in this implementation, by name. Absent if it holds none. */
  readonly memoryUsage?: Readonly<Record<string, MemoryUsage>>;
  /** Finishes the accepted work, then closes. */
  close(): Promise<void>;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number;
  /** Never goes backwards; milliseconds, with fractions, from any origin. */
  monotonicMs(): number;
}

/** Log lines: the fields, and what has happened. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** An unguessable name of 16 or more characters, for sessions. */
  token(): string;
}

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
  header(name: string): string | undefined;
  readonly origin: string | undefined;
  /** The client's address. Behind trusted proxies: the address that they report. */
  readonly address: string;
}

/**
 * The author of an administrative action and its address: a request's principal, or an operator
 * with access to the data folder (`operator`), or the `hub`.
 */
export interface Actor {
  readonly kind: Principal['kind'] | 'operator' | 'hub';
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  /** The client's address. `undefined` where there was no request. */
  readonly address?: string | undefined;
}

/**
 * An administrative action for the audit log: a change of the hub itself, or of somebody's access
 * to it.
 */
export interface AuditRecord {
  /**
   * The object of the action, a dot, and the action: `key.created`, `revocation.made`,
   * `user.disconnected`.
   */
  readonly action: string;
  /**
   * The key's id, the user or another name of the object. The audit log stores at most 256
   * characters.
   */
  readonly subject: string;
  readonly by: Actor;
  /**
   * Further details without secrets. JSON, of which the audit log stores at most 2,048 characters.
   */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The log of administrative actions. */
export interface Audit {
  /**
   * Writes the entry soon; the caller does not wait. An entry that cannot be written is logged and
   * lost.
   */
  record(entry: AuditRecord): void;
}
