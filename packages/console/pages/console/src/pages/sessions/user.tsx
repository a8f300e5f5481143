import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { read, send } from '../../hub/hub.ts';
import { Facts, Failure, Field, Head, ListEnd, Notice, valueOf } from '../../parts/basics.tsx';
import { Confirm } from '../../parts/dialog.tsx';
import { useErasure } from '../../parts/erasure.tsx';
import { countText, jsonLine } from '../../parts/format.ts';
import { useLoad } from '../../parts/use-load.ts';
import { usePages } from '../../parts/use-pages.ts';
import { href } from '../../router.ts';
import { listSessions } from './sessions-api.ts';
import { SessionTable } from './session-table.tsx';

interface UserStatus {
  readonly user: string;
  readonly online: boolean;
  readonly info?: unknown;
  readonly sessions: readonly unknown[];
}

const REFRESH_MS = 5000;

/** One user: online or not, all sessions, a message to all of them, and the way out. */
export function UserView({ user }: { user: string }): VNode {
  const path = `users/${encodeURIComponent(user)}`;
  const { value, error, reload } = useLoad((signal) => read<UserStatus>(path, signal), [user], REFRESH_MS);
  const [isAsked, setAsked] = useState(false);
  const [notice, setNotice] = useState('');
  const [erased, setErased] = useState(0);
  const erasure = useErasure(() => setErased((present) => present + 1));
  const live = usePages((after, signal) => listSessions({ user }, after, signal), [user], value?.sessions.length);
  const ended = usePages(
    (after, signal) => listSessions({ user, state: 'ended' }, after, signal),
    [user],
    `${value?.sessions.length} ${erased}`,
  );
  const revoke = async (): Promise<void> => {
    const { sessions } = await send<{ sessions: number }>('POST', `${path}/disconnect`, { reason: 'by the console' });
    setNotice(`${countText(sessions, 'session')} ended. All credentials of ${user} issued before are refused.`);
    reload();
  };
  return (
    <>
      <Head title={user} lead={<a href={href('sessions')}>All sessions</a>}>
        <button type="button" onClick={() => setAsked(true)}>
          Revoke the user …
        </button>
        <button type="button" onClick={() => erasure.ask({ kind: 'user', name: user })}>
          Erase the user’s data …
        </button>
      </Head>
      {erasure.view}
      <Failure error={error} />
      {notice !== '' && <Notice>{notice}</Notice>}
      {value !== undefined && (
        <Facts
          facts={[
            ['State', <span class={`tag ${value.online ? 'well' : ''}`}>{value.online ? 'online' : 'away'}</span>],
            ['Live sessions', String(value.sessions.length)],
            ['Info', value.info === undefined ? '–' : jsonLine(value.info, 200)],
          ]}
        />
      )}
      <section class="section">
        <h2>Live sessions</h2>
        {live.items.length > 0 && <SessionTable sessions={live.items} onEnded={reload} />}
        <ListEnd pages={live} empty={`${user} has no live session.`} />
      </section>
      <section class="section">
        <h2>Write to {user}</h2>
        <WriteTo user={user} />
      </section>
      <section class="section">
        <h2>Ended sessions</h2>
        {ended.items.length > 0 && <SessionTable sessions={ended.items} onEnded={reload} />}
        <ListEnd pages={ended} empty="None is recorded." />
      </section>
      {isAsked && (
        <Confirm title={`Revoke ${user}`} name={user} verb="Revoke" act={revoke} onClose={() => setAsked(false)}>
          All sessions end, and every credential that was issued until now is refused. The user has to log in again.
        </Confirm>
      )}
    </>
  );
}

function WriteTo({ user }: { user: string }): VNode {
  const [text, setText] = useState('');
  const [id, setId] = useState('');
  const [error, setError] = useState<unknown>(undefined);
  const write = async (event: Event): Promise<void> => {
    event.preventDefault();
    setId('');
    setError(undefined);
    const body = { type: 'message', data: dataOf(text) };
    await send<{ id: string }>('POST', `users/${encodeURIComponent(user)}/events`, body).then((sent) => {
      setId(sent.id);
      setText('');
    }, setError);
  };
  return (
    <form class="card form" onSubmit={(event) => void write(event)}>
      <div class="wide">
        <Field label="Message" hint="JSON, or text. Every session of the user receives it on the private channel.">
          <textarea rows={3} value={text} onInput={(event) => setText(valueOf(event))} />
        </Field>
      </div>
      <div class="wide">
        <Failure error={error} />
        {id !== '' && <Notice>Sent as {id}.</Notice>}
        <button type="submit" class="primary" disabled={text === ''}>
          Send
        </button>
      </div>
    </form>
  );
}

function dataOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
