/**
 * Prefix of the channels for presence events: the changes of `room.7` are on
 * `polycast.presence.room.7`. Only clients that ask for it receive it. Reading it requires the
 * permission `presence` for the channel itself.
 */
export const PRESENCE_PREFIX = 'polycast.presence.';

export function presenceChannel(channel: string): string {
  return PRESENCE_PREFIX + channel;
}

/** A user in a channel, as announced to others. */
export interface PresenceUser {
  readonly user: string;
  /** The site's public info about the user. JSON; `undefined` for none. */
  readonly info: unknown;
  /** The number of the user's connections in the channel. A polling client counts as one. */
  readonly sessions: number;
  /** The time of the user's arrival, milliseconds since 1970. */
  readonly sinceMs: number;
}

/** A change that presence publishes (PROTOCOL.md section 13.6). */
export type PresenceChange =
  | ({ readonly kind: 'join' | 'update'; readonly channel: string } & PresenceUser)
  | { readonly kind: 'leave'; readonly channel: string; readonly user: string }
  /**
   * Not `isListed`: from now on only counts are announced, and the users announced before are no
   * longer known.
   */
  | {
      readonly kind: 'count';
      readonly channel: string;
      readonly users: number;
      readonly anonymous: number;
      readonly isListed: boolean;
    }
  | { readonly kind: 'online' | 'offline'; readonly user: string; readonly sequence: number }
  | { readonly kind: 'occupied' | 'vacated'; readonly channel: string; readonly sequence: number };

/** A change as an event. */
export interface PresenceEvent {
  readonly channel: string;
  readonly type: string;
  readonly data: unknown;
}

/** All channels that changes are published to. */
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

/** A member in the form of events and snapshots. */
export function presenceUserJson(
  { user, info, sessions, sinceMs }: PresenceUser,
  formatTime: (timeMs: number) => string,
): object {
  return { user, ...(info === undefined ? {} : { info }), sessions, since: formatTime(sinceMs) };
}

/**
 * Parses a presence event of this hub. `undefined` for any other event: an older log may hold some.
 * @param parseTime RFC 3339 to milliseconds since 1970; NaN for an invalid time
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
