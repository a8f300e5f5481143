import { encodeCursor, type TransportName } from '@polycast/protocol';
import type { AdministrationParts } from './administration-parts.ts';
import { timestampOrNull } from '../http/timestamp-text.ts';

/** Whether a user is online, and the sessions: of one hub, or of all hubs of a cluster. */
export interface UserStatus {
  readonly user: string;
  readonly online: boolean;
  readonly info?: unknown;
  readonly sessions: readonly {
    readonly session: string;
    readonly transport: TransportName;
    readonly since: string | null;
    readonly channels: number;
    readonly cursor: string;
    readonly behind: number;
    readonly address: string;
  }[];
}

/** The user at this hub. */
export function userStatus({ feed, presence, sessions: live }: AdministrationParts, user: string): UserStatus {
  const sessions = live.ofUser(user);
  const info = sessions.find(({ principal }) => principal.info !== undefined)?.principal.info;
  return {
    user,
    online: sessions.length > 0 || presence.isOnline(user),
    ...(info === undefined ? {} : { info }),
    sessions: sessions.map((session) => ({
      session: session.id,
      transport: session.transport,
      since: timestampOrNull(session.sinceMs),
      channels: session.channels.length,
      cursor: encodeCursor(feed.epoch, session.position),
      behind: Math.max(0, feed.head - session.position),
      address: session.address,
    })),
  };
}

/** The user at several hubs. */
export function mergeUserStatus(own: UserStatus, others: readonly UserStatus[]): UserStatus {
  const all = [own, ...others];
  const info = all.find((each) => each.info !== undefined)?.info;
  return {
    user: own.user,
    online: all.some(({ online }) => online),
    ...(info === undefined ? {} : { info }),
    sessions: all.flatMap(({ sessions }) => sessions),
  };
}
