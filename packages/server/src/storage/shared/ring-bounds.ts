/**
 * The bounds of the session journal: a ring that removes its oldest sessions. Example: with
 * `sessionsMax` 80, session 81 displaces the first ten. Both homes have the same bounds.
 */
export interface RingBounds {
  readonly sessionsMax: number;
  readonly ageMaxMs: number;
}

export interface JournalSettings {
  readonly journalEntriesMax: number;
  readonly journalMaxAgeSeconds: number;
}

export function ringBounds({ journalEntriesMax, journalMaxAgeSeconds }: JournalSettings): RingBounds {
  return { sessionsMax: journalEntriesMax, ageMaxMs: journalMaxAgeSeconds * 1000 };
}
