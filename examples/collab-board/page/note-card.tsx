import { useState, type CSSProperties, type PointerEvent, type ReactElement } from 'react';
import type { Note, NoteData } from './use-notes.ts';

interface NoteCardProps {
  readonly note: Note;
  readonly surface: HTMLElement | null;
  readonly onChange: (next: NoteData) => void;
  readonly onRemove: () => void;
}

/**
 * A note. While it is dragged or written in, the change is only here;
 * the drop and the blur publish it.
 */
export function NoteCard({ note, surface, onChange, onRemove }: NoteCardProps): ReactElement {
  const [dragged, setDragged] = useState<{ readonly x: number; readonly y: number }>();
  const [draft, setDraft] = useState<string>();
  const { x, y } = dragged ?? note;
  const style: CSSProperties = { left: `${x * 100}%`, top: `${y * 100}%` };

  function drag({ movementX, movementY }: PointerEvent): void {
    if (dragged === undefined || surface === null) return;
    setDragged({
      x: Math.min(0.85, Math.max(0, dragged.x + movementX / surface.clientWidth)),
      y: Math.min(0.85, Math.max(0, dragged.y + movementY / surface.clientHeight)),
    });
  }

  function drop(): void {
    if (dragged !== undefined && (dragged.x !== note.x || dragged.y !== note.y)) onChange({ ...note, ...dragged });
    setDragged(undefined);
  }

  function write(): void {
    if (draft !== undefined && draft !== note.text) onChange({ ...note, text: draft });
    setDraft(undefined);
  }

  return (
    <article className="note" style={style} data-note={note.id}>
      <div
        className="handle"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDragged({ x: note.x, y: note.y });
        }}
        onPointerMove={drag}
        onPointerUp={drop}
      >
        <span>{note.by}</span>
        <button
          className="quiet"
          aria-label="Remove"
          onPointerDown={(event) => event.stopPropagation()}
          onClick={onRemove}
        >
          ×
        </button>
      </div>
      <textarea
        aria-label={`Note of ${note.by}`}
        placeholder="Write…"
        value={draft ?? note.text}
        onChange={({ target }) => setDraft(target.value)}
        onBlur={write}
      />
    </article>
  );
}
