import { ChangeBatch } from '../core/session-journal/change-batch.ts';
import type { SessionJournalStore } from '../core/session-journal/session-journal-store.ts';
import type { JournalChange } from '../core/session-journal/session-record.ts';

/** Writes changes to a session journal in batches, as the hub does. */
export function writeChanges(store: SessionJournalStore, changes: readonly JournalChange[], nowMs: number): void {
  const batches: ChangeBatch[] = [];
  for (const [index, change] of changes.entries()) {
    if (index % store.batchLinesMax === 0) batches.push(new ChangeBatch());
    batches.at(-1)?.add(change);
  }
  store.write(batches, nowMs);
}
