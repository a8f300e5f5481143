import type { TransportName } from '@polycast/protocol';
import type { Interest } from '../core/interests/interest.ts';
import type { Principal } from '../core/access/principal.ts';
import type { Position } from '../core/ports.ts';
import type { EndReason, PositionRange } from '../core/session-journal/session-record.ts';
import type { RefusedReading } from './refusal-log.ts';
import { isRecorded, type AnsweredPoll, type RevokedReason, type Session } from './sessions.ts';

/** What a follower reports about its sessions, in the order in which it happened. */
export type SessionUpdate =
  | OpenedUpdate
  | {
      readonly kind: 'changed';
      readonly id: string;
      readonly principal: SentPrincipal;
      readonly channels: readonly string[];
      readonly interest?: SentInterest;
      /** As in `SessionBefore`. */
      readonly from?: Position;
    }
  | {
      readonly kind: 'closed';
      readonly id: string;
      /** Of a stream: why it ended, and how far it came. */
      readonly end?: {
        readonly reason: EndReason;
        readonly writtenThrough: Position;
        readonly gaps: readonly PositionRange[];
      };
    }
  | { readonly kind: 'polled'; readonly principal: SentPrincipal; readonly channels: readonly string[] }
  | (Omit<AnsweredPoll, 'principal' | 'interest' | 'client'> & {
      readonly kind: 'answered';
      readonly principal: SentPrincipal;
      readonly interest: SentInterest;
      readonly client?: string;
    })
  | { readonly kind: 'refused'; readonly refusal: RefusedReading };

export interface OpenedUpdate {
  readonly kind: 'opened';
  readonly id: string;
  readonly transport: TransportName;
  readonly principal: SentPrincipal;
  readonly channels: readonly string[];
  readonly position: Position;
  readonly sinceMs: number;
  readonly address: string;
  /** The owner before had admitted it. */
  readonly isKnown?: true;
  /** Absent for a poll. */
  readonly stream?: {
    readonly interest: SentInterest;
    readonly client?: string;
    readonly excludesOwn: boolean;
    readonly writtenThrough: Position;
  };
}

/** An interest on its way to the owner. */
export interface SentInterest {
  readonly patterns: readonly string[];
  readonly types?: readonly string[];
  readonly except: readonly string[];
}

/** A principal on its way to the owner. JSON has no `Infinity` and no `undefined`. */
export interface SentPrincipal extends Omit<Principal, 'expiresMs' | 'signer' | 'user' | 'key' | 'token' | 'info'> {
  readonly user?: string;
  readonly key?: string;
  readonly token?: string;
  readonly info?: unknown;
  readonly expiresMs: number | null;
}

/**
 * A part of a round: the places of the sessions that are behind, or have missed further events.
 * The parts of a round visit every session. Those that are in none of them are at its head.
 */
export interface PositionUpdate {
  /** The number of the round. A round that was given up has no last part. */
  readonly round: number;
  /** The position of the follower when the round began. */
  readonly head: Position;
  readonly places: Readonly<Record<string, SessionPlace>>;
  readonly isLast: boolean;
}

export interface SessionPlace {
  readonly position: Position;
  readonly writtenThrough: Position;
  /** Absent: those that were sent before. */
  readonly gaps?: readonly PositionRange[];
}

/** A command of the owner to a session of a follower. */
export interface SessionCommand {
  readonly id: string;
  readonly action: RevokedReason | 'destroy' | 'ended' | 'reauthenticate';
}

export function openedUpdate(session: Session): OpenedUpdate {
  const { id, transport, principal, channels, position, sinceMs, address } = session;
  const opened = { id, transport, principal: sentPrincipal(principal), channels, position, sinceMs, address };
  if (!isRecorded(session)) return { kind: 'opened', ...opened };
  const { interest, client, excludesOwn, writtenThrough } = session;
  const stream = {
    interest: sentInterest(interest),
    ...(client !== undefined && { client }),
    excludesOwn,
    writtenThrough,
  };
  return { kind: 'opened', ...opened, stream };
}

export function closedUpdate(session: Session): SessionUpdate {
  const { id } = session;
  if (!isRecorded(session)) return { kind: 'closed', id };
  const { endReason: reason, writtenThrough, gaps } = session;
  return { kind: 'closed', id, end: { reason, writtenThrough, gaps } };
}

export function answeredUpdate({ principal, interest, client, ...poll }: AnsweredPoll): SessionUpdate {
  return {
    ...poll,
    kind: 'answered',
    principal: sentPrincipal(principal),
    interest: sentInterest(interest),
    ...(client !== undefined && { client }),
  };
}

/**
 * The place of a session, unless it has caught up and its gaps are known.
 * @param knownGaps those that were sent before
 */
export function placeOf(
  session: Session,
  head: Position,
  knownGaps: readonly PositionRange[] | undefined,
): SessionPlace | undefined {
  const { position } = session;
  if (!isRecorded(session)) return position < head ? { position, writtenThrough: position } : undefined;
  const { writtenThrough, gaps } = session;
  const hasNews = gaps.length > 0 && gaps !== knownGaps;
  if (position >= head && writtenThrough >= head && !hasNews) return undefined;
  return { position, writtenThrough, ...(hasNews && { gaps }) };
}

export function sentInterest({ patterns, types, except }: Interest): SentInterest {
  return { patterns, ...(types !== undefined && { types: [...types] }), except };
}

/** The principal that was sent, unless it is that of a key that this process knows. */
export function receivedPrincipal({ user, key, token, info, expiresMs, ...sent }: SentPrincipal): Principal {
  return { ...sent, user, key, token, info, expiresMs: expiresMs ?? Infinity };
}

export function sentPrincipal(principal: Principal): SentPrincipal {
  const { kind, user, info, claims, grants, key, token, issuedMs, expiresMs } = principal;
  return {
    kind,
    ...(user !== undefined && { user }),
    ...(info !== undefined && { info }),
    claims,
    grants,
    ...(key !== undefined && { key }),
    ...(token !== undefined && { token }),
    issuedMs,
    expiresMs: expiresMs === Infinity ? null : expiresMs,
  };
}
