import type { CursorStorage } from './options.ts';

/** The places of a page's subscriptions, kept over a reload. */
export interface CursorStore {
  /** Where the subscription of this name was; undefined when it is new. */
  load(name: string): string | undefined;
  /** Keeps a place, or forgets it when it is undefined. */
  store(name: string, cursor: string | undefined): void;
  /** Writes what has changed. A storage that refuses is done without. */
  save(): void;
}

/** Places beyond these push out the oldest. */
const CURSORS_MAX = 200;

export function createCursorStore(storage: CursorStorage, key: string): CursorStore {
  let cursors: Record<string, string | undefined> = {};
  try {
    cursors = { ...JSON.parse(storage.getItem(key) as string) };
  } catch {
    // What cannot be read is as good as nothing.
  }
  return {
    load: (name) => cursors[name],
    store(name, cursor) {
      // The latest stand last.
      delete cursors[name];
      if (cursor) cursors[name] = cursor;
    },
    save() {
      try {
        storage.setItem(key, JSON.stringify(Object.fromEntries(Object.entries(cursors).slice(-CURSORS_MAX))));
      } catch {
        // Full, or forbidden: the page works as before, and begins anew when it is reloaded.
      }
    },
  };
}
