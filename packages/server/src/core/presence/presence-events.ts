import { presenceChannel, PRESENCE_PREFIX } from './presence-channel.ts';

/** Somebody who is in a channel, as others are told. */
export interface PresenceUser {
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
  | ({ readonly kind: 'join' | 'update'; readonly channel: string } & PresenceUser)
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
      return { channel: presenceChannel(change.channel), type, data: presenceUserJson(change, formatTime) };
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
export function presenceUserJson(
  { user, info, sessions, sinceMs }: PresenceUser,
  formatTime: (timeMs: number) => string,
): object {
  return { user, ...(info === undefined ? {} : { info }), sessions, since: formatTime(sinceMs) };
}

/**
 * The change that an event of the hub's own tells of; `undefined` for one that is none, as an older log may
 * hold of others.
 * @param parseTime RFC 3339 as milliseconds since 1970; not a number for what is none
 */
export function parsePresenceChange(
  { channel: eventChannel, type, data }: PresenceEvent,
  parseTime: (text: string) => number,
): PresenceChange | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const members = data as Readonly<Record<string, unknown>>;
  const kind = type.slice('polycast.'.length);
  if (eventChannel.startsWith(PRESENCE_PREFIX))
    return parseChannelChange(eventChannel.slice(PRESENCE_PREFIX.length), kind, members, parseTime);
  const { user, channel, sequence } = members;
  if (!isCount(sequence)) return undefined;
  if ((kind === 'online' || kind === 'offline') && typeof user === 'string') return { kind, user, sequence };
  if ((kind === 'occupied' || kind === 'vacated') && typeof channel === 'string') return { kind, channel, sequence };
  return undefined;
}

function parseChannelChange(
  channel: string,
  kind: string,
  { user, info, sessions, since, users, anonymous, listed }: Readonly<Record<string, unknown>>,
  parseTime: (text: string) => number,
): PresenceChange | undefined {
  if (kind === 'count') {
    const isComplete = isCount(users) && isCount(anonymous) && typeof listed === 'boolean';
    return isComplete ? { kind, channel, users, anonymous, isListed: listed } : undefined;
  }
  if (typeof user !== 'string') return undefined;
  if (kind === 'leave') return { kind, channel, user };
  if (kind !== 'join' && kind !== 'update') return undefined;
  const sinceMs = typeof since === 'string' ? parseTime(since) : Number.NaN;
  return isCount(sessions) && isCount(sinceMs) ? { kind, channel, user, info, sessions, sinceMs } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
