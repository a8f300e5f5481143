import { PolycastError } from '@polycast/client';
import type { VNode } from 'preact';
import { read, wordsOf } from '../../hub/hub.ts';
import { Failure } from '../../parts/basics.tsx';
import { countText } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { href } from '../../router.ts';

interface PresenceAnswer {
  readonly listed: boolean;
  readonly users: number;
  readonly anonymous: number;
  readonly members?: readonly { readonly user: string; readonly sessions: number }[];
}

const REFRESH_MS = 5000;

/** The users whose sessions read the channel, where a rule gives it presence. */
export function Presence({ channel }: { channel: string }): VNode {
  const { value, error } = useLoad(
    (signal) => read<PresenceAnswer>(`channels/${channel}/presence`, signal),
    [channel],
    REFRESH_MS,
  );
  if (error instanceof PolycastError && error.code !== 'unauthorized') return <p class="soft">{wordsOf(error)}</p>;
  if (value === undefined) return <Failure error={error} />;
  return (
    <>
      <p>
        {countText(value.users, 'user')} and {countText(value.anonymous, 'anonymous session')}.
      </p>
      <ul class="members">
        {(value.members ?? []).map(({ user, sessions }) => (
          <li key={user}>
            <a href={href('sessions', [user])}>{user}</a> <span class="soft">{countText(sessions, 'session')}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
