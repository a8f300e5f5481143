import type { CursorStorage } from './options.ts';

/**
 * The cursors of a page's subscriptions, stored over a reload. For example, the subscription
 * `orders.42` has the cursor `0t24qj92dx-00000000001`.
 */
export interface CursorStore {
  /** The cursor of the subscription of this name; undefined for a new one. */
  load(name: string): string | undefined;
  /** Stores a cursor, or removes it when it is undefined. */
  store(name: string, cursor: string | undefined): void;
  /** Writes the cursors. Ignores a storage that refuses. */
  save(): void;
}

/** The most cursors; beyond it the oldest are removed. */
const CURSORS_MAX = 200;

/**
 * @param storage throws where the browser forbids it: a frame with `sandbox`, or a browser without
 * cookies
 */
export function createCursorStore(storage: () => CursorStorage, key: string): CursorStore {
  let cursors: Record<string, string | undefined> = {};
  try {
    cursors = { ...JSON.parse(storage().getItem(key) as string) };
  } catch {
    // Unreadable contents count as none.
  }
  return {
    load: (name) => cursors[name],
    store(name, cursor) {
      // The latest come last.
      delete cursors[name];
      if (cursor) cursors[name] = cursor;
    },
    save() {
      try {
        storage().setItem(key, JSON.stringify(Object.fromEntries(Object.entries(cursors).slice(-CURSORS_MAX))));
      } catch {
        // The storage is full or forbidden: the page works as before, and begins anew after a
        // reload.
      }
    },
  };
}
