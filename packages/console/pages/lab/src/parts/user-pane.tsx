import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LabConfig } from '../model/records.ts';
import type { DemoTransport, Item, UserSession } from '../users-demo.ts';

type People = LabConfig['people'];

const TRANSPORT_TITLES: Readonly<Record<DemoTransport, string>> = {
  websocket: 'WebSocket',
  sse: 'Server-Sent Events',
  'long-poll': 'long polling',
  'short-poll': 'short polling',
};

/** The view of one of the two users. */
export function UserPane({ session, people }: { session: UserSession; people: People }): VNode {
  const { title, user, transport, state, errorText } = session;
  const name = people.find((person) => person.name === user)?.title;
  return (
    <section class="pane seat" aria-label={title}>
      <header>
        <h3>{name ?? 'Nobody'}</h3>
        <span class={state.isOpen ? 'seat-state seat-open' : 'seat-state'}>
          {state.isOpen ? 'connected' : 'connecting'}
        </span>
      </header>
      <div class="seat-settings">
        <fieldset class="switch">
          <legend class="unseen">{title}: logged in as</legend>
          {[undefined, ...people].map((person) => (
            <label key={person?.name ?? ''}>
              <input
                type="radio"
                name={`user-${title}`}
                checked={user === person?.name}
                onChange={() => session.login(person?.name)}
              />
              <span>{person?.title ?? 'Nobody'}</span>
            </label>
          ))}
        </fieldset>
        <label class="seat-way">
          <span>by</span>
          <select
            value={transport}
            aria-label={`${title}: transport`}
            onChange={({ currentTarget }) => session.changeTransport(currentTarget.value as DemoTransport)}
          >
            {Object.entries(TRANSPORT_TITLES).map(([way, words]) => (
              <option key={way} value={way}>
                {words}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Present session={session} people={people} />
      <Items items={session.items} people={people} isNobody={user === undefined} />
      {errorText !== '' && (
        <p class="seat-trouble" role="alert">
          {errorText}
        </p>
      )}
      <MessageForm session={session} />
    </section>
  );
}

function Present({ session, people }: { session: UserSession; people: People }): VNode {
  const { members = [], anonymous = 0 } = session.present ?? {};
  return (
    <ul class="present" aria-label="Who is here">
      <li class="present-label" aria-hidden="true">
        Here:
      </li>
      {members.map(({ user, sessions }) => (
        <li key={user}>
          {titleOf(people, user)}
          {sessions > 1 && <span class="present-count"> on {sessions} connections</span>}
        </li>
      ))}
      {anonymous > 0 && <li class="present-unknown">{anonymous === 1 ? 'somebody' : `${anonymous} others`}</li>}
      {members.length + anonymous === 0 && <li class="present-unknown">nobody yet</li>}
    </ul>
  );
}

/** It shows the newest item, and announces it to screen readers. */
function Items({ items, people, isNobody }: { items: readonly Item[]; people: People; isNobody: boolean }): VNode {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [items]);
  return (
    <div class="items" ref={list} role="log" aria-label="Received" tabIndex={0}>
      {items.length === 0 && (
        <p class="empty">{isNobody ? 'Public news appears here, but no private messages.' : 'Nothing yet.'}</p>
      )}
      <ol>
        {items.map(({ id, kind, user, text }) => (
          <li key={id} class={`item item-${kind}`}>
            <span class="item-kind">{kind === 'said' ? titleOf(people, user ?? '') : kind}</span> <span>{text}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** A rule lets users publish here; the hub adds the sender's name. */
function MessageForm({ session }: { session: UserSession }): VNode {
  const [text, setText] = useState('');
  const isNobody = session.user === undefined;
  return (
    <form
      class="say"
      onSubmit={(event) => {
        event.preventDefault();
        if (text !== '') void session.publish(text);
        setText('');
      }}
    >
      <input
        type="text"
        value={text}
        maxLength={200}
        disabled={isNobody}
        aria-label={`${session.title}: send to everyone`}
        placeholder={isNobody ? 'Log in to send' : 'Send a message to everyone'}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" disabled={isNobody}>
        Say
      </button>
    </form>
  );
}

function titleOf(people: People, user: string): string {
  return people.find(({ name }) => name === user)?.title ?? user;
}
