import { expect, test } from 'vitest';
import type { AuditRecord } from '../core/ports.ts';
import { rateLimitedAudit } from './audited-service.ts';

test('repeated actions are recorded at a bounded rate, with the number of those left out', () => {
  const notes: AuditRecord[] = [];
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const audit = rateLimitedAudit({ record: (note) => void notes.push(note) }, clock);
  const note: AuditRecord = { action: 'subscription.created', subject: 'sub', by: { kind: 'anonymous' } };
  for (let count = 0; count < 1000; count++) audit.record(note);
  expect(notes).toHaveLength(30);
  nowMs += 60_000;
  audit.record({ ...note, detail: { channels: ['a'] } });
  expect(notes).toHaveLength(31);
  expect(notes.at(-1)?.detail).toEqual({ channels: ['a'], omitted: 970 });
});
