import { matches } from '@polycast/protocol';
import { closestMatch } from '../core/primitives/closest-match.ts';
import type { Position } from '../core/ports.ts';
import type { ChannelChange, EndReason, SessionRecord } from '../core/session-journal/session-record.ts';
import { isRecorded } from '../auth/sessions.ts';
import { isPoller, type LiveSession } from '../sessions/live-sessions.ts';
import { MORE_CHANNELS } from '../sessions/newest-changes.ts';
import type { ExplainedEvent } from './explanation.ts';

/** A session as an explanation needs it, live or ended, recorded or not. */
export interface SessionFacts {
  readonly id: string;
  /** The hub that it is or was at. Absent without a cluster. */
  readonly hub?: string;
  readonly transport: SessionRecord['transport'];
  readonly user: string | undefined;
  readonly epoch: string;
  readonly openedMs: number;
  readonly openedAt: Position | undefined;
  /** `undefined`: it is live. */
  readonly endedMs: number | undefined;
  readonly reason: EndReason | undefined;
  /** All events up to here were handed to the network. */
  readonly position: Position | undefined;
  /** Its channels, and from which position on. The last one that applies counts. */
  readonly channels: readonly { readonly from: Position; readonly channels: readonly string[] }[];
  readonly types: readonly string[] | undefined;
  readonly excludesOwn: boolean;
  readonly origin: string;
  readonly skipped: readonly (readonly [Position, Position])[];
  readonly gaps: readonly (readonly [Position, Position])[];
  readonly polls: number;
}

/**
 * What became of an event on one session. `written`: handed to the network. `behind`: it is owed.
 * `unwritten`: it was owed when the session ended. `began_later`: the session began to read behind
 * the event. `gap`: it received a gap for the event. `before`: the session ended before the event.
 */
export type SessionVerdict =
  | { readonly kind: 'written'; readonly pattern: string }
  | { readonly kind: 'behind'; readonly pattern: string; readonly positions: number }
  | { readonly kind: 'unwritten'; readonly pattern: string }
  | { readonly kind: 'unknown'; readonly pattern: string }
  | { readonly kind: 'skipped'; readonly pattern: string }
  | { readonly kind: 'gap'; readonly pattern: string }
  | { readonly kind: 'began_later' }
  | { readonly kind: 'before' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'other_epoch' }
  | { readonly kind: 'other_channel'; readonly closest: string | undefined }
  | { readonly kind: 'filtered_by_type' }
  | { readonly kind: 'own_event' };

export function evaluateSession(session: SessionFacts, event: ExplainedEvent, head: Position): SessionVerdict {
  if (session.epoch !== event.epoch) return { kind: 'other_epoch' };
  if (session.reason === 'refused') return { kind: 'refused' };
  const { position } = event;
  const channels = channelsAt(session, position);
  const pattern = event.channel === undefined ? '>' : coveringPattern(channels, event.channel);
  if (pattern === undefined && !channels.includes(MORE_CHANNELS))
    return { kind: 'other_channel', closest: closestMatch(event.channel ?? '', [...channels]) };
  if (endedBefore(session, event)) return { kind: 'before' };
  const covering = pattern ?? MORE_CHANNELS;
  const type = event.record?.type;
  if (
    session.types !== undefined &&
    event.record !== undefined &&
    (type === undefined || !session.types.includes(type))
  )
    return { kind: 'filtered_by_type' };
  if (session.excludesOwn && event.author.origin === session.origin && event.author.user === session.user)
    return { kind: 'own_event' };
  if (session.openedAt !== undefined && session.openedAt >= position) return { kind: 'began_later' };
  const isWithin = ([after, through]: readonly [Position, Position]): boolean =>
    position > after && position <= through;
  if (session.skipped.some(isWithin)) return { kind: 'skipped', pattern: covering };
  // A gap is about events that are gone. One that is still stored was delivered.
  if (event.record === undefined && session.gaps.some(isWithin)) return { kind: 'gap', pattern: covering };
  return reached(session, covering, position, head);
}

function reached(session: SessionFacts, pattern: string, position: Position, head: Position): SessionVerdict {
  if (session.position === undefined) return { kind: 'unknown', pattern };
  if (session.position >= position) return { kind: 'written', pattern };
  if (session.endedMs === undefined) return { kind: 'behind', pattern, positions: head - session.position };
  return { kind: 'unwritten', pattern };
}

function endedBefore({ endedMs, position }: SessionFacts, event: ExplainedEvent): boolean {
  if (endedMs === undefined || event.timeMs === undefined || endedMs >= event.timeMs) return false;
  return position === undefined || position < event.position;
}

/** The channels with which a session read the event at a position. */
function channelsAt({ channels }: SessionFacts, position: Position): readonly string[] {
  return (channels.findLast(({ from }) => from < position) ?? channels[0])?.channels ?? [];
}

export function coveringPattern(channels: readonly string[], channel: string): string | undefined {
  return channels.find((pattern) => matches(pattern, channel));
}

export function factsOfRecord(record: SessionRecord): SessionFacts {
  const { id, transport, user, epoch, openedMs, openedAt, channels, changes, types, excludesOwn, client, end } = record;
  return {
    id,
    transport,
    user,
    epoch,
    openedMs,
    openedAt,
    endedMs: end?.timeMs,
    reason: end?.reason,
    position: end?.position,
    channels: channelHistory(channels, changes),
    types,
    excludesOwn,
    origin: client ?? id,
    skipped: end?.skipped ?? [],
    gaps: end?.gaps ?? [],
    polls: end?.polls ?? 0,
  };
}

/** @param record its opening, if the journal has it */
export function factsOfLive(session: LiveSession, epoch: string, record: SessionRecord | undefined): SessionFacts {
  const { id, transport, principal, channels, sinceMs } = session;
  const poller = isPoller(session) ? session : undefined;
  const stream = !isPoller(session) && isRecorded(session) ? session : undefined;
  const reader = poller ?? stream;
  const types = reader?.interest.types;
  return {
    id,
    transport,
    user: principal.user,
    epoch,
    openedMs: record?.openedMs ?? sinceMs,
    openedAt: poller?.openedAt ?? record?.openedAt,
    endedMs: undefined,
    reason: undefined,
    position: stream?.writtenThrough ?? session.position,
    channels: channelHistory(record?.channels ?? channels, record?.changes ?? []),
    types: types === undefined ? undefined : [...types],
    excludesOwn: reader?.excludesOwn === true,
    origin: reader?.client ?? id,
    skipped: poller?.skipped ?? [],
    gaps: reader?.gaps ?? [],
    polls: poller?.polls ?? 0,
  };
}

function channelHistory(channels: readonly string[], changes: readonly ChannelChange[]): SessionFacts['channels'] {
  return [
    { from: -1, channels },
    ...changes.map(({ position, channels: later }) => ({ from: position, channels: later })),
  ];
}
