import { expect, test } from 'vitest';
import type { AuditNote } from '../core/ports.ts';
import { boundedAudit } from './bounded-audit.ts';

test('of what anybody does a part is written down, and how much more there was', () => {
  const notes: AuditNote[] = [];
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const audit = boundedAudit({ note: (note) => void notes.push(note) }, clock);
  const note: AuditNote = { action: 'subscription.created', subject: 'sub', by: { kind: 'anonymous' } };
  for (let count = 0; count < 1000; count++) audit.note(note);
  expect(notes).toHaveLength(30);
  nowMs += 60_000;
  audit.note({ ...note, detail: { channels: ['a'] } });
  expect(notes).toHaveLength(31);
  expect(notes.at(-1)?.detail).toEqual({ channels: ['a'], omitted: 970 });
});
