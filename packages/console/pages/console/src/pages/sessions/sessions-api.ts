import { read } from '../../hub/hub.ts';
import type { ListPage } from '../../parts/use-pages.ts';

/** A session of `GET /v1/sessions`. */
export interface Session {
  readonly session: string;
  readonly state: 'live' | 'ended';
  readonly transport: string;
  /** In a cluster: the hub of the session. */
  readonly hub?: string;
  readonly kind: string;
  readonly user?: string;
  readonly key?: string;
  readonly address: string;
  readonly channels: readonly string[];
  readonly channelsTotal: number;
  readonly opened: string;
  readonly cursor: string | null;
  readonly behind?: number;
  readonly ended: string | null;
  readonly reason: string | null;
}

/** A page of sessions, and the number of hubs whose sessions it lacks. */
export interface SessionPage extends ListPage<Session> {
  readonly silentHubs: number;
}

export interface SessionFilter {
  readonly state: string;
  readonly user: string;
  readonly channel: string;
  readonly address: string;
  readonly transport: string;
  readonly behind: string;
}

export const FILTER_NAMES: readonly (keyof SessionFilter)[] = [
  'state',
  'user',
  'channel',
  'address',
  'transport',
  'behind',
];

export async function listSessions(
  filter: Readonly<Partial<Record<keyof SessionFilter, string>>>,
  after: string | undefined,
  signal: AbortSignal,
): Promise<SessionPage> {
  const given = Object.entries({ ...filter, limit: '50', after: after ?? '' }).filter(([, value]) => value !== '');
  const { sessions, next, silentHubs } = await read<{
    sessions: readonly Session[];
    next: string | null;
    silentHubs?: number;
  }>(`sessions?${new URLSearchParams(given).toString()}`, signal);
  return { items: sessions, next, silentHubs: silentHubs ?? 0 };
}

/** The owner of a session in words. A hub without access control calls everybody a server. */
export function ownerOf({ user, key }: Pick<Session, 'user' | 'key'>): string {
  return user ?? (key === undefined ? 'anonymous' : `key ${key}`);
}
