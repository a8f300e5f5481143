/**
 * What the core needs of the world. Everything outside is reached through these ports and nothing else: the core has no
 * clock, no chance, no file and no socket of its own.
 */

import type { MemoryUsage } from './primitives/byte-budget.ts';
import type { Action, Principal, Revocation, Scope } from './access/principal.ts';

/** A place in the log: whole numbers that rise with every event, with holes. 0 is before the first event. */
export type Position = number;

/** What a channel keeps: all that its rule allows, only its newest event, or nothing beyond the tail in memory. */
export type Retain = 'history' | 'latest' | 'none';

/** An event on its way into the log. */
export interface NewRecord {
  readonly channel: string;
  readonly type: string | undefined;
  /** When the hub accepted it, milliseconds since 1970. */
  readonly timeMs: number;
  /**
   * The event's JSON from after its `id` to its end: `"channel":"a","time":"…","data":1}`. It has no line break, is
   * valid UTF-8, and is never changed after this.
   */
  readonly body: Uint8Array;
  readonly retain: Retain;
  /** 1 to 255 characters. The same key with the same channel, type and data is appended once in 24 h. */
  readonly idempotencyKey: string | undefined;
  /** SHA-256 or the like of what the key stands for, without the time; given when there is a key. */
  readonly fingerprint: string | undefined;
  /** Appended only if this is the position of the channel's newest event (0: only if it has none; `ANY_POSITION`: only if it has one). */
  readonly ifLatest: Position | undefined;
}

/** An event that is in the log. */
export interface StoredRecord {
  readonly position: Position;
  readonly channel: string;
  readonly type: string | undefined;
  readonly timeMs: number;
  readonly body: Uint8Array;
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly position: Position }
  /** The key was used before with the same event: this is what it got then. */
  | { readonly kind: 'duplicate'; readonly position: Position; readonly channel: string; readonly timeMs: number }
  | { readonly kind: 'key_reused' }
  /** `ifLatest` did not hold; `latest` is the position that would have. */
  | { readonly kind: 'conflict'; readonly latest: Position }
  | { readonly kind: 'channel_limit' }
  /** Another idempotency key cannot be remembered. */
  | { readonly kind: 'key_limit' };

export interface LogState {
  /** Names this log's history: ten base32 digits. A wiped or restored log has another. */
  readonly epoch: string;
  /** The head when the epoch began: after a change of epoch, what is behind this cannot be told apart from before. */
  readonly epochStart: Position;
  /** The newest position that is durable and has been given to the followers. */
  readonly head: Position;
  /** Why it cannot be written at present, if so. Reading goes on. */
  readonly unavailable: 'log_unavailable' | 'log_full' | undefined;
}

export interface ReadQuery {
  /** Valid patterns; an event is meant if any covers its channel. */
  readonly patterns: readonly string[];
  /** Only events of these types; all when undefined. */
  readonly types: readonly string[] | undefined;
  /** Events after this position… */
  readonly after: Position;
  /** …up to and with this one. */
  readonly through: Position;
  /** `forward`: the oldest first. `backward`: the newest first. */
  readonly direction: 'forward' | 'backward';
  /** At most this many events, */
  readonly limit: number;
  /** and at most this many bytes of bodies, though always one event. */
  readonly bytesMax: number;
}

export interface ReadPage {
  /** In the order of `direction`. */
  readonly records: readonly StoredRecord[];
  /**
   * How far this page speaks: every event meant after `after`, up to and with this position (backward: after this
   * position, up to and with `through`) is in it; the next page has this as its `after` (backward: its `through`). It
   * is never past the head. A read over a sparse pattern may come back early, with few records or none, so as to hold
   * nobody up.
   */
  readonly reached: Position;
  /**
   * The newest position after `after` at which a meant channel has lost an event to retention; `after` itself when
   * nothing was lost. Replaced values of `latest` channels and events of `none` channels do not count as lost.
   */
  readonly trimmedThrough: Position;
  /**
   * The newest position of events in this page that are damaged on the disk, up to which some that are meant may be missing; `after`
   * itself when all could be read. Forward, `reached` is never before it, and `records` are none: the damage begins right after `after`.
   */
  readonly corruptThrough: Position;
}

export interface ChannelState {
  readonly channel: string;
  /** Events kept, and the sum of the bytes of their bodies. */
  readonly count: number;
  readonly bytes: number;
  /** Of the oldest and the newest event kept; 0 when there is none. */
  readonly oldestTimeMs: number;
  readonly latestPosition: Position;
}

/** Which channels' states are asked for: names after `after`, in order; only those appended to since `changedSince`. */
export interface ChannelQuery {
  readonly after: string;
  readonly limit: number;
  readonly changedSince?: Position;
}

/** Remove a channel's oldest events until all of the given bounds hold. */
export interface TrimOrder {
  readonly channel: string;
  readonly countMax?: number;
  readonly bytesMax?: number;
  /** Events accepted before this go. */
  readonly olderThanMs?: number;
}

/** The one ordered log. Homes: `log/sqlite`, `log/memory`; one contract suite holds them all to these words. */
/** One step of a scrub. */
export interface CheckedRange {
  /** Up to where events were compared. */
  readonly reached: Position;
  /** Of the events that could be read. */
  readonly bytes: number;
}

export interface Log {
  readonly state: LogState;
  /**
   * Appends in the given order. Resolves, one outcome a record, once all that was appended is durable; rejects when
   * nothing of it was, with PolycastError `log_unavailable` or `log_full`, or `overloaded` when too much waits already.
   * Records of `none` channels get positions too.
   */
  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]>;
  /** Every event that becomes durable, in order, in batches, before its append resolves. One listener. */
  follow(listener: (records: readonly StoredRecord[]) => void): void;
  read(query: ReadQuery): Promise<ReadPage>;
  channels(query: ChannelQuery): Promise<readonly ChannelState[]>;
  /** One small step of removal (bounded in rows); says how many events it removed and whether there is more to do. */
  trim(orders: readonly TrimOrder[], nowMs: number): Promise<{ readonly removed: number; readonly more: boolean }>;
  /**
   * Compares what is stored after a position with its checksums, a small step of it, and notes what is damaged. Absent where nothing is
   * on a disk. Example: `check(0)` is `{ reached: 500, bytes: 90_000 }`; at the end `reached` is the head.
   */
  check?(after: Position): Promise<CheckedRange>;
  /** Bytes on disk, commits, rows, times: what metrics show. Names are stable, values are numbers since opening. */
  stats(): Readonly<Record<string, number>>;
  /** What clients fill in the memory of this home, if it keeps anything of the kind there. */
  readonly memoryUsage?: Readonly<Record<string, MemoryUsage>>;
  /** Finishes what was accepted, then closes. */
  close(): Promise<void>;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number;
  /** Never goes backwards; milliseconds, with fractions, from any origin. */
  monotonicMs(): number;
}

export interface Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** An unguessable name of 16 or more characters, for sessions. */
  token(): string;
}

/** Decides who somebody is and what they may do. Transports learn yes, or the error that says why not. */
export interface Authority {
  /**
   * Who these credentials belong to. Rejects with PolycastError `unauthorized`, `token_expired`, or, when it cannot be found out
   * now, `identity_unavailable`. Without credentials: `ANONYMOUS`.
   */
  identify(credentials: Credentials): Principal | Promise<Principal>;
  /** Whom it takes everybody for who brings no credentials at all, where that is always the same. */
  readonly defaultPrincipal?: Principal;
  /** Yes, or the error that says why not and which rule said so. `pattern` is a channel or a pattern. */
  decide(principal: Principal, action: Action, pattern: string): AuthorityDecision | Promise<AuthorityDecision>;
  /** Whether there is any channel of which `decide` may say yes; absent where there always is. */
  mightAllow?(principal: Principal, action: Action): boolean;
  /**
   * Until when a yes holds that was just said, milliseconds since 1970: where somebody outside was asked, as long as they said. `Infinity`
   * for what rules and credentials decide; absent where nobody else is asked.
   */
  validUntil?(principal: Principal, action: Action, pattern: string): number;
  /**
   * Yes if the principal has the scope: `admin` and `users`, for the whole hub, or `subscriptions`, whose patterns must cover the given
   * channels and patterns, if any are given.
   */
  hasScope(principal: Principal, scope: Scope, channels?: readonly string[]): AuthorityDecision;
  /**
   * The same user's standing beyond its present end, found out without the client: before `expiresMs`, for whoever stays. `undefined`
   * where only the client can renew it. Rejects with PolycastError `unauthorized` when it is at its end, or `identity_unavailable` when
   * that cannot be found out and the grace is over.
   */
  renew?(principal: Principal): Promise<Principal> | undefined;
  /** Whether who was identified a while ago has not been revoked since; absent where nothing can be. */
  isStillValid?(principal: Principal): boolean;
  /** What is remembered of a user no longer counts: by the next request, or renewal, it is found out anew. */
  forgetUser?(user: string): void;
  /** Told of everyone whose standing ends before its time. One listener. */
  onRevoked(listener: (revocation: Revocation) => void): void;
}

export type AuthorityDecision =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: 'unauthorized' | 'forbidden' | 'identity_unavailable';
      /** What everybody may be told. */
      readonly detail: string;
      /** The rule that decided. */
      readonly by?: string;
      /** What it asks for: `a user`, `the scope publish for orders.1`. */
      readonly needs?: string;
    };

/** What a request or a connection brought along to show who it is. Looked up only as far as the authority looks. */
export interface Credentials {
  /** From `Authorization: Bearer`, `?token=`, a cookie, or the `auth` message; the first of them. */
  readonly token: string | undefined;
  /** The value of a cookie; `undefined` also where the page that sends it is of an origin that is not allowed. */
  cookie(name: string): string | undefined;
  header(name: string): string | undefined;
  readonly origin: string | undefined;
  /** The client's address: behind trusted proxies, the one that those tell. */
  readonly address: string;
}

/** Who did it, and from where: a request's principal and address, or whoever works on the data folder itself. */
export interface Actor {
  readonly kind: Principal['kind'] | 'operator' | 'hub';
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  /** The client's address; `undefined` where it was no request. */
  readonly address?: string | undefined;
}

/** What somebody did to the hub itself, or to somebody's standing with it: it is written down. */
export interface AuditRecord {
  /** `key.created`, `revocation.made`, `user.disconnected`: what was acted on, a dot, what happened to it. */
  readonly action: string;
  /** To whom or what: a key's id, a user. At most 256 characters are kept. */
  readonly subject: string;
  readonly by: Actor;
  /** What else there is to know of it, without secrets; JSON, of which at most 2,048 characters are kept. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The log of administrative actions. */
export interface Audit {
  /** Written soon; a note that cannot be written is logged and lost, and holds up nobody. */
  record(entry: AuditRecord): void;
}
