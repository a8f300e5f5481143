import { useReducer, useState } from 'react';
import { PolycastError, type PolycastEvent } from '@polycast/client';
import { useChannel } from '@polycast/react';

/** A note as everybody has it: the newest event of its channel. `null` was removed. */
export interface NoteData {
  readonly text: string;
  /** From 0 to 1, of the board's width and height. */
  readonly x: number;
  readonly y: number;
  readonly by: string;
}

export interface Note extends NoteData {
  readonly id: string;
  /** The event that made it as it is: the condition of the next change. */
  readonly version: string;
}

interface Version {
  readonly data: NoteData | null;
  readonly version: string;
}

/** What undoes a change of mine: the note before it, if nobody has changed it since. */
interface Undo {
  readonly id: string;
  readonly before: NoteData | null;
  readonly version: string;
}

export interface Notes {
  readonly notes: readonly Note[];
  /** What could not be done, and why. */
  readonly problem: string | undefined;
  readonly canUndo: boolean;
  readonly add: () => Promise<void>;
  readonly change: (note: Note, next: NoteData) => Promise<void>;
  readonly remove: (note: Note) => Promise<void>;
  readonly undo: () => Promise<void>;
}

type Versions = Readonly<Record<string, Version>>;

export function useNotes(board: string, me: string): Notes {
  const [versions, apply] = useReducer(
    (known: Versions, { channel, data, id }: PolycastEvent<NoteData | null>): Versions => ({
      ...known,
      [channel.split('.').at(-1) as string]: { data, version: id },
    }),
    {},
  );
  const [undos, setUndos] = useState<readonly Undo[]>([]);
  const [problem, setProblem] = useState<string>();
  const channel = useChannel<NoteData | null>(`${board}.notes.*`, { after: 'earliest', eventsMax: 0, onEvent: apply });

  /** Publishes a note only if nobody has changed it since `version`. */
  async function put(id: string, data: NoteData | null, version: string): Promise<string | undefined> {
    setProblem(undefined);
    try {
      const ifMatch = version === '' ? {} : { ifMatch: version };
      return (await channel.publish(data, { channel: `${board}.notes.${id}`, ...ifMatch })).id;
    } catch (error) {
      const isConflict = error instanceof PolycastError && error.code === 'precondition_failed';
      setProblem(
        isConflict
          ? 'Somebody changed this note at the same time. Their version stays; yours was not saved.'
          : String(error),
      );
      return undefined;
    }
  }

  async function edit(id: string, before: NoteData | null, data: NoteData | null, version: string): Promise<void> {
    const done = await put(id, data, version);
    if (done !== undefined) setUndos((all) => [...all, { id, before, version: done }]);
  }

  const dataOf = ({ text, x, y, by }: NoteData): NoteData => ({ text, x, y, by });
  return {
    notes: Object.entries(versions).flatMap(([id, { data, version }]) =>
      data === null ? [] : [{ ...data, id, version }],
    ),
    problem,
    canUndo: undos.length > 0,
    add: () =>
      edit(
        crypto.randomUUID().slice(0, 8),
        null,
        { text: '', x: 0.1 + Math.random() * 0.5, y: 0.1 + Math.random() * 0.5, by: me },
        '',
      ),
    change: (note, next) => edit(note.id, dataOf(note), dataOf({ ...next, by: me }), note.version),
    remove: (note) => edit(note.id, dataOf(note), null, note.version),
    async undo() {
      const last = undos.at(-1);
      if (last === undefined) return;
      setUndos(undos.slice(0, -1));
      const done = await put(last.id, last.before, last.version);
      // An earlier change of mine of this note now has this event before it.
      if (done !== undefined)
        setUndos((all) => all.map((undo) => (undo.id === last.id ? { ...undo, version: done } : undo)));
    },
  };
}
