import { presenceChannel, PRESENCE_PREFIX } from './presence-channel.ts';

/** Somebody who is in a channel, as others are told. */
export interface PresentUser {
  readonly user: string;
  /** What the site shows of the user; JSON, `undefined` for nothing. */
  readonly info: unknown;
  /** How many connections the user has there; one that polls counts as one. */
  readonly sessions: number;
  /** When the user came, milliseconds since 1970. */
  readonly sinceMs: number;
}

/** What has changed for those who look on (PROTOCOL.md section 13.6). */
export type PresenceChange =
  | ({ readonly kind: 'join' | 'update'; readonly channel: string } & PresentUser)
  | { readonly kind: 'leave'; readonly channel: string; readonly user: string }
  /** Not `isListed`: from now on only counts are told, and who was told of before is no longer known. */
  | {
      readonly kind: 'count';
      readonly channel: string;
      readonly users: number;
      readonly anonymous: number;
      readonly isListed: boolean;
    }
  | { readonly kind: 'online' | 'offline'; readonly user: string; readonly sequence: number }
  | { readonly kind: 'occupied' | 'vacated'; readonly channel: string; readonly sequence: number };

/** A change as it is published. */
export interface PresenceEvent {
  readonly channel: string;
  readonly type: string;
  readonly data: unknown;
}

/** All channels on which changes are published. */
export const PRESENCE_PATTERNS: readonly string[] = ['polycast.presence.>', 'polycast.users.*', 'polycast.channels.*'];

/** @param formatTime milliseconds since 1970 as RFC 3339 */
export function presenceEvent(change: PresenceChange, formatTime: (timeMs: number) => string): PresenceEvent {
  const type = `polycast.${change.kind}`;
  switch (change.kind) {
    case 'join':
    case 'update':
      return { channel: presenceChannel(change.channel), type, data: presentUser(change, formatTime) };
    case 'leave':
      return { channel: presenceChannel(change.channel), type, data: { user: change.user } };
    case 'count': {
      const { channel, users, anonymous, isListed } = change;
      return { channel: presenceChannel(channel), type, data: { users, anonymous, listed: isListed } };
    }
    case 'online':
    case 'offline':
      return {
        channel: `polycast.users.${change.kind}`,
        type,
        data: { user: change.user, sequence: change.sequence },
      };
    case 'occupied':
    case 'vacated':
      return {
        channel: `polycast.channels.${change.kind}`,
        type,
        data: { channel: change.channel, sequence: change.sequence },
      };
  }
}

/** A member as events and snapshots show it. */
export function presentUser(
  { user, info, sessions, sinceMs }: PresentUser,
  formatTime: (timeMs: number) => string,
): object {
  return { user, ...(info === undefined ? {} : { info }), sessions, since: formatTime(sinceMs) };
}

/** The members that the data of such an event may have; its type says which it has. */
interface EventData {
  readonly user: string;
  readonly info?: unknown;
  readonly sessions: number;
  readonly since: string;
  readonly users: number;
  readonly anonymous: number;
  readonly listed: boolean;
  readonly sequence: number;
  readonly channel: string;
}

/**
 * The change that an event of the hub's own tells of; `undefined` for one that is none.
 * @param parseTime RFC 3339 as milliseconds since 1970
 */
export function presenceChangeOf(
  { channel: told, type, data }: PresenceEvent,
  parseTime: (text: string) => number,
): PresenceChange | undefined {
  const kind = type.slice('polycast.'.length);
  const { user, info, sessions, since, users, anonymous, listed, sequence, channel } = data as EventData;
  if (told.startsWith(PRESENCE_PREFIX)) {
    const room = told.slice(PRESENCE_PREFIX.length);
    if (kind === 'join' || kind === 'update')
      return { kind, channel: room, user, info, sessions, sinceMs: parseTime(since) };
    if (kind === 'leave') return { kind, channel: room, user };
    return kind === 'count' ? { kind, channel: room, users, anonymous, isListed: listed } : undefined;
  }
  if (kind === 'online' || kind === 'offline') return { kind, user, sequence };
  return kind === 'occupied' || kind === 'vacated' ? { kind, channel, sequence } : undefined;
}
