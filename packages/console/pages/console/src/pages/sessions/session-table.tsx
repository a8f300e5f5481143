import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { send } from '../../hub/hub.ts';
import { Table, Time } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { numberText } from '../../parts/format.ts';
import { href } from '../../router.ts';
import { ownerOf, type Session } from './sessions-api.ts';

/** Sessions with their transport, address, channels and lag. A live one can be ended. */
export function SessionTable({ sessions, onEnded }: { sessions: readonly Session[]; onEnded: () => void }): VNode {
  const [asked, setAsked] = useState<Session>();
  const lastColumn = sessions[0]?.state === 'live' ? 'Action' : 'Ended';
  return (
    <>
      <Table label="Sessions" head={['Who', 'Transport', 'Address', 'Channels', 'Behind', 'Opened', lastColumn]}>
        {sessions.map((session) => (
          <tr key={session.session}>
            <td class="target">
              {session.user === undefined ? (
                ownerOf(session)
              ) : (
                <a href={href('sessions', [session.user])}>{session.user}</a>
              )}
              <div class="soft mono">{session.session}</div>
              {session.hub !== undefined && <div class="soft">at the hub {session.hub}</div>}
            </td>
            <td>{session.transport}</td>
            <td class="nowrap">{session.address}</td>
            <td class="mono target">
              {session.channels.join(' ')}
              {session.channelsTotal > session.channels.length &&
                ` and ${session.channelsTotal - session.channels.length} more`}
            </td>
            <td class="number">
              {session.behind === undefined ? '–' : numberText(session.behind)}
              {session.behind !== undefined && session.transport === 'short-poll' && (
                <div class="soft">since its last poll</div>
              )}
            </td>
            <td class="nowrap">
              <Time at={session.opened} />
            </td>
            <td>
              {session.state === 'live' ? (
                <button type="button" onClick={() => setAsked(session)}>
                  End<span class="unseen"> the session {session.session}</span> …
                </button>
              ) : (
                <>
                  <Time at={session.ended} /> <div class="soft">{session.reason?.replaceAll('_', ' ')}</div>
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {asked !== undefined && (
        <Confirm
          title="End the session"
          name={ownerOf(asked)}
          verb="End"
          act={async () => {
            await send('DELETE', `sessions/${encodeURIComponent(asked.session)}`);
            onEnded();
          }}
          onClose={() => setAsked(undefined)}
        >
          Its client may reconnect at once, from its cursor. To keep a user out, revoke the user.
        </Confirm>
      )}
    </>
  );
}
