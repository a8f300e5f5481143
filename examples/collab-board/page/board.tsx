import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from '@polycast/client';
import { PolycastProvider, useConnection, usePresence } from '@polycast/react';
import { Cursors } from './cursors.tsx';
import { NoteCard } from './note-card.tsx';
import { useNotes } from './use-notes.ts';

const parameters = new URLSearchParams(location.search);
const name = parameters.get('name') ?? sessionStorage.getItem('name') ?? `Guest ${Math.ceil(Math.random() * 99)}`;
sessionStorage.setItem('name', name);
const board = `board.${parameters.get('board') ?? 'kitchen'}`;

const connection = connect(location.origin, {
  getToken: async ({ signal }) => (await fetch('/api/token', { method: 'POST', body: name, signal })).text(),
});

function Board() {
  const { notes, problem, canUndo, add, change, remove, undo } = useNotes(board, name);
  const [surface, setSurface] = useState<HTMLElement | null>(null);
  const { state, transport } = useConnection();
  return (
    <>
      <header className="row">
        <h1>A board for many</h1>
        <People />
        <span className={`badge ${state === 'open' ? 'good' : 'warn'}`} data-state={state}>
          {state === 'open' ? transport : state}
        </span>
        <button onClick={() => add()}>New note</button>
        <button className="quiet" disabled={!canUndo} onClick={() => undo()}>
          Undo mine
        </button>
      </header>
      <p id="problem" role="status" className={problem === undefined ? 'muted' : 'bad'}>
        {problem ?? `You are ${name}. Drag a note, or write in it; open this page again as somebody else.`}
      </p>
      <main id="surface" ref={setSurface}>
        {notes.map((note) => (
          <NoteCard
            key={note.id}
            note={note}
            surface={surface}
            onChange={(next) => change(note, next)}
            onRemove={() => remove(note)}
          />
        ))}
        <Cursors channel={`${board}.cursors`} me={name} surface={surface} />
      </main>
    </>
  );
}

function People() {
  const { members } = usePresence(`${board}.cursors`);
  return (
    <ul id="people" className="row" aria-label="Present">
      {members.map(({ user, info }) => (
        <li key={user} title={user} style={{ background: (info as { color: string }).color }}>
          {user.slice(0, 2)}
        </li>
      ))}
    </ul>
  );
}

createRoot(document.getElementById('app') as HTMLElement).render(
  <StrictMode>
    <PolycastProvider connection={connection}>
      <Board />
    </PolycastProvider>
  </StrictMode>,
);
