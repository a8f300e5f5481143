import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LabConfig } from '../model/records.ts';
import type { By, Item, Seat } from '../town.ts';

type People = LabConfig['people'];

const WAYS: Readonly<Record<By, string>> = {
  websocket: 'WebSocket',
  sse: 'Server-Sent Events',
  'long-poll': 'long polling',
  poll: 'short polling',
};

/** What one of the two sees. */
export function SeatPane({ seat, people }: { seat: Seat; people: People }): VNode {
  const { title, user, by, state, trouble } = seat;
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
                onChange={() => seat.login(person?.name)}
              />
              <span>{person?.title ?? 'Nobody'}</span>
            </label>
          ))}
        </fieldset>
        <label class="seat-way">
          <span>by</span>
          <select
            value={by}
            aria-label={`${title}: transport`}
            onChange={({ currentTarget }) => seat.travel(currentTarget.value as By)}
          >
            {Object.entries(WAYS).map(([way, words]) => (
              <option key={way} value={way}>
                {words}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Present seat={seat} people={people} />
      <Items items={seat.items} people={people} isNobody={user === undefined} />
      {trouble !== '' && (
        <p class="seat-trouble" role="alert">
          {trouble}
        </p>
      )}
      <Say seat={seat} />
    </section>
  );
}

function Present({ seat, people }: { seat: Seat; people: People }): VNode {
  const { members = [], anonymous = 0 } = seat.present ?? {};
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

/** It follows the newest, and says it to those who listen rather than look. */
function Items({ items, people, isNobody }: { items: readonly Item[]; people: People; isNobody: boolean }): VNode {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [items]);
  return (
    <div class="items" ref={list} role="log" aria-label="Received" tabIndex={0}>
      {items.length === 0 && <p class="empty">{isNobody ? 'News comes here, and no letters.' : 'Nothing yet.'}</p>}
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

/** Where a rule lets users publish; who it was, the hub says. */
function Say({ seat }: { seat: Seat }): VNode {
  const [text, setText] = useState('');
  const isNobody = seat.user === undefined;
  return (
    <form
      class="say"
      onSubmit={(event) => {
        event.preventDefault();
        if (text !== '') void seat.say(text);
        setText('');
      }}
    >
      <input
        type="text"
        value={text}
        maxLength={200}
        disabled={isNobody}
        aria-label={`${seat.title}: say to all`}
        placeholder={isNobody ? 'Log in to speak' : 'Say something to all'}
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
