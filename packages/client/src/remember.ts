import type { CursorStorage } from './options.ts';

/** The places of a page's subscriptions, kept over a reload. */
export interface Memory {
  /** Where the subscription of this name was; undefined when it is new. */
  recall(name: string): string | undefined;
  /** Keeps a place, or forgets it when it is undefined. */
  keep(name: string, cursor: string | undefined): void;
  /** Writes what has changed. A storage that refuses is done without. */
  save(): void;
}

/** Places beyond these push out the oldest. */
const PLACES_MAX = 200;

export function createMemory(storage: CursorStorage, key: string): Memory {
  let places: Record<string, string | undefined> = {};
  try {
    places = { ...JSON.parse(storage.getItem(key) as string) };
  } catch {
    // What cannot be read is as good as nothing.
  }
  return {
    recall: (name) => places[name],
    keep(name, cursor) {
      // The latest stand last.
      delete places[name];
      if (cursor) places[name] = cursor;
    },
    save() {
      try {
        storage.setItem(key, JSON.stringify(Object.fromEntries(Object.entries(places).slice(-PLACES_MAX))));
      } catch {
        // Full, or forbidden: the page works as before, and begins anew when it is reloaded.
      }
    },
  };
}
