import type { TransportName } from '@polycast/protocol';
import type { Position } from '../ports.ts';
import type { Principal } from '../access/principal.ts';

/**
 * The reason why a session ended. Example: `network` is a connection that broke; `client` is one
 * that the client closed. `refused` is a request of a user that was not allowed, and so never
 * began. PROTOCOL.md section 13.10 lists them.
 */
export const END_REASONS = [
  'client',
  'network',
  'stalled',
  'drain',
  'hub',
  'ended',
  'token_expired',
  'unauthorized',
  'forbidden',
  'identity_unavailable',
  'failed',
  'protocol',
  'idle',
  'refused',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/**
 * A session as the journal records it. Example: Ann's phone opened an SSE stream at position 90 of
 * `orders.42`, and the network ended it at position 120.
 */
export interface SessionRecord {
  /** Rises with every session of a data folder. */
  readonly number: number;
  readonly id: string;
  /** `undefined`: the hub refused the request (`refused`). */
  readonly transport: TransportName | undefined;
  readonly kind: Principal['kind'];
  readonly user: string | undefined;
  /** The id of an API key. */
  readonly key: string | undefined;
  /** The client's own name for itself. */
  readonly client: string | undefined;
  /** As the setting `sessions.journalAddresses` says. */
  readonly address: string;
  /** The session leaves out the events that its own client publishes. */
  readonly excludesOwn: boolean;
  /** Its channels and patterns at the opening. */
  readonly channels: readonly string[];
  /** Its later channels, the oldest change first. */
  readonly changes: readonly ChannelChange[];
  /** Only events of these types; `undefined`: all. */
  readonly types: readonly string[] | undefined;
  /** The log that its positions are of. */
  readonly epoch: string;
  readonly openedMs: number;
  /** The position after which it began to read. `undefined`: not recorded. */
  readonly openedAt: Position | undefined;
  /** `undefined`: it is live, or the hub died with it. */
  readonly end: SessionEnd | undefined;
}

export interface SessionEnd {
  readonly timeMs: number;
  /** All events up to here were handed to the network. `undefined`: not recorded. */
  readonly position: Position | undefined;
  readonly reason: EndReason;
  /** The answers of a poller; 0 for a stream. */
  readonly polls: number;
  /**
   * Ranges of positions that a poller passed over: it asked from a later position than its last
   * answer had reached. The newest ones.
   */
  readonly skipped: readonly PositionRange[];
  /** Ranges in which retention had removed events before the session read them. The newest ones. */
  readonly gaps: readonly PositionRange[];
}

/** Ranges of each kind that a session records. */
export const RANGES_MAX = 8;

/** Adds a range to a list of the newest ones. */
export function withRange(ranges: readonly PositionRange[], range: PositionRange): readonly PositionRange[] {
  return [...ranges.slice(1 - RANGES_MAX), range];
}

/** The events after `after`, up to and including `through`. */
export type PositionRange = readonly [after: Position, through: Position];

/**
 * A session's channels have changed. Example: a WebSocket subscribes to `news` after its opening.
 */
export interface ChannelChange {
  readonly timeMs: number;
  /** Events after this position are read with these channels. */
  readonly position: Position;
  readonly channels: readonly string[];
  /** The user since then: a WebSocket may authenticate while it is open. */
  readonly user: string | undefined;
}

/** A change of the journal. Those of a session that is not stored any more are ignored. */
export type JournalChange =
  | { readonly kind: 'opened'; readonly session: SessionRecord }
  | {
      readonly kind: 'changed';
      readonly session: number;
      readonly change: ChannelChange;
      /** When the session opened, if it has a user since this change only. */
      readonly authenticatedSinceMs?: number;
    }
  | { readonly kind: 'ended'; readonly session: number; readonly user: string | undefined; readonly end: SessionEnd };

/** Estimated bytes of a record, or of a change, without its texts. */
const MEMBERS_BYTES = 400;

/** Estimated bytes of a record in memory, without its changes. Clients choose its texts. */
export function recordBytes({ channels, types, client, user }: SessionRecord): number {
  return MEMBERS_BYTES + textBytes(channels) + textBytes(types) + 2 * ((client?.length ?? 0) + (user?.length ?? 0));
}

/** Estimated bytes of a change of channels in memory. */
export function changeBytes({ channels }: ChannelChange): number {
  return MEMBERS_BYTES + textBytes(channels);
}

function textBytes(texts: readonly string[] | undefined): number {
  let bytes = 0;
  if (texts !== undefined) for (const text of texts) bytes += 40 + 2 * text.length;
  return bytes;
}
