/**
 * The ports of the core: the interfaces through which it reaches everything outside. The core has
 * no clock, no chance, no file and no socket of its own.
 */

import type { Cursor } from '@polycast/protocol';
import type { ClusterNotReady, ClusterState, OtherHubs } from './cluster-state.ts';
import type { MemoryUsage } from './primitives/byte-budget.ts';

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
  /**
   * The trace context of the publisher, as text (`events/trace-context.ts`).
   * Only servers receive it.
   */
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
   * The key was used before with the same event: the fingerprint covers the channel. These are the
   * position, channel and time of that event.
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
   * The newest position after `after` at which a matching channel lost an event to an erasure
   * (`LogErasing`). It is never past `trimmedThrough`. `after` itself when none was erased.
   */
  readonly erasedThrough: Position;
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
export interface CountedPage extends Pick<ReadPage, 'reached' | 'trimmedThrough' | 'erasedThrough' | 'corruptThrough'> {
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

/** An order to erase events, in one small step. */
export interface EraseOrder {
  /**
   * The positions of events, at most `ERASED_EVENTS_MAX`. Positions without an event are ignored.
   */
  readonly positions: readonly Position[];
  /** Channels whose names are erased, unless they have events. At most `ERASED_EVENTS_MAX`. */
  readonly channels: readonly string[];
  /**
   * With the last order of the erasure of a user: what names the user goes at each
   * hub, too (`SharedLog.onErased`).
   */
  readonly user?: string | undefined;
}

/** Whether a further step of `overwrite` is needed. */
export type Overwritten = 'more' | 'busy' | 'no_room' | 'done';

/** Positions, and channels, in one order of erasure at most. */
export const ERASED_EVENTS_MAX = 256;

/**
 * Erases events and names of channels permanently. Retention only removes them: the files may hold
 * their bytes until other data takes the place.
 *
 * Example: `erase({ positions: [7], channels: [] })` is 1. A reader at 6 then gets a page with
 * `erasedThrough: 7`. The caller repeats `overwrite()` until it is `done`: then no file has a byte
 * of event 7.
 */
export interface LogErasing {
  /**
   * Durable when it resolves. Idempotency keys of the events stay valid, so that a repeated request
   * does not publish an erased event again.
   * @returns the number of erased events
   */
  erase(order: EraseOrder): Promise<number>;
  /**
   * One small step that overwrites what files hold of removed events: free pages, the write-ahead
   * log, and unused bytes of pages. `busy`: a reader of the file, such as a backup, holds back the
   * step. `no_room`: the disk has no room for what is in the write-ahead log. A log without a disk
   * is `done` immediately. A shared log is `done` when the files of all hubs that run are.
   * `busy`: another hub is not.
   */
  overwrite(): Promise<Overwritten>;
}

/** What a hub has beside a shared log of erased events. */
export interface ErasureListener {
  /** The view of this hub has erased these events: memory drops them. */
  events(positions: readonly Position[]): void;
  /**
   * Erases what names of channels, or the user, have left at this hub.
   * It is called again until it resolves.
   */
  names(user: string | undefined): Promise<void>;
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
 * - Eventual: nothing within one hub. In a log that several hubs share (`shared`), positions are
 *   equal at all hubs. The view of one hub may be behind, and its `head` with it. An append that
 *   rejects with `outcome_unknown` may still be stored.
 * - Owner: any hub appends, and the home gives the order. One hub at a time trims.
 *
 * Implementations: see `storage/homes.ts`. One contract suite in `storage/contract` tests them all.
 */
export interface Log {
  readonly state: LogState;
  /**
   * Appends in the given order. Resolves with one outcome a record when all appended events are
   * durable. Events of `none` channels get positions too.
   * Rejects when it appended no event: PolycastError `log_unavailable` or `log_full`, or
   * `overloaded` when too many bytes wait already. A shared log may reject with `outcome_unknown`.
   */
  append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]>;
  /**
   * Calls the listener with every event that becomes durable, in order, in batches, before its
   * append resolves. There is one listener.
   */
  follow(listener: (records: readonly StoredRecord[]) => void): void;
  /**
   * Waits until this log has all events that were confirmed anywhere at this call, if the cursor
   * may be ahead of it. `undefined`: it has the cursor's event. Absent where one process has the
   * log. Example: another process confirmed position 7, and this log is at 5: the promise resolves
   * when it is at 7.
   * Rejects with PolycastError `log_unavailable` when the others cannot be asked within seconds.
   */
  reach?(cursor: Cursor): Promise<void> | undefined;
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
  readonly erasing: LogErasing;
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
  /** What a log that several hubs share adds. Absent in the log of one hub. */
  readonly shared?: SharedLog;
  /** Why clients should not be sent to this hub of a cluster. Absent without a cluster. */
  readonly notReadyReason?: ClusterNotReady | undefined;
  /** Problems of the cluster that an operator should look at. Absent without a cluster. */
  readonly problems?: readonly string[];
  /** The memory that clients fill in this implementation, by name. Absent if it holds none. */
  readonly memoryUsage?: Readonly<Record<string, MemoryUsage>>;
  /** Finishes the accepted work, then closes. */
  close(): Promise<void>;
}

/**
 * The events of one commit as the log has received them. To unpack them costs as much as to store
 * them, so nobody does before they are read. Example: 300 events of the positions 501 to 800.
 */
export interface PackedEvents {
  /** The position of the newest. */
  readonly through: Position;
  /** Events at most. */
  readonly count: number;
  /** Their memory. */
  readonly bytes: number;
  unpack(): readonly StoredRecord[];
  /** Frees their memory. They cannot be unpacked any more. */
  discard(): void;
}

/**
 * A log that several hubs share. Each hub reads a view of its own, which may be a moment behind.
 */
export interface SharedLog {
  /** Calls the listener with the orders of each trim of any hub, once it is carried out here. */
  onTrimmed(listener: (orders: readonly TrimOrder[]) => void): void;
  /**
   * As `Log.follow`, but each commit comes packed. A hub that nobody reads at unpacks few of them.
   * @param hasReaders while it is false, events of other hubs may arrive some 100 ms later: several
   * blocks share a commit
   */
  followPacked(listener: (events: PackedEvents) => void, hasReaders?: () => boolean): void;
  /** The hub begins to close. Its parts wait for outcomes, from now on for a bounded time. */
  onHubCloses(): void;
  /** Calls the listener with what any hub erases. There is one listener. */
  onErased(listener: ErasureListener): void;
  /** Whether this hub is the one that trims. */
  readonly isTrimmer: boolean;
  /**
   * The time since a new block, or since the answer to an append of this hub.
   * A broker that is cut off has neither.
   */
  readonly silentMs: number;
  /**
   * Waits until this hub has all that was confirmed at any hub before.
   * @throws PolycastError `log_unavailable`
   */
  reachNewest(): Promise<void>;
  readonly others: OtherHubs;
  /** Calls the listener when the log has to be opened again, because its history is another one. */
  onReset(listener: () => void): void;
  /** Looks at the hubs, and asks the brokers: some seconds where one does not answer. */
  inspect(): Promise<ClusterState>;
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
