import type { CursorStorage } from './options.ts';

/** The places of a page's subscriptions, kept over a reload. */
export interface Memory {
  /** Where the subscription of this name was; undefined when it is new. */
  recall(name: string): string | undefined;
  keep(name: string, cursor: string): void;
  forget(name: string): void;
  /** Writes what has changed. A storage that refuses is done without. */
  save(): void;
}

/** Places beyond these push out the oldest. */
const PLACES_MAX = 200;

export function createMemory(storage: CursorStorage, key: string): Memory {
  const places = new Map(read(storage, key));
  let written = '';
  return {
    recall: (name) => places.get(name),
    keep(name, cursor) {
      places.delete(name);
      places.set(name, cursor);
      for (const oldest of places.keys()) if (places.size > PLACES_MAX) places.delete(oldest);
    },
    forget: (name) => void places.delete(name),
    save,
  };

  function save(): void {
    const text = JSON.stringify([...places]);
    if (text === written) return;
    written = text;
    try {
      storage.setItem(key, text);
    } catch {
      // Full, or forbidden: the page works as before, and begins anew when it is reloaded.
    }
  }
}

/** The name of a subscription over reloads: what it is subscribed to. */
export function nameOf(channels: readonly string[], types: readonly string[] | undefined): string {
  return [...channels.toSorted(), ...(types ?? []).toSorted().map((type) => ` ${type}`)].join(',');
}

function read(storage: CursorStorage, key: string): [string, string][] {
  try {
    const places: unknown = JSON.parse(storage.getItem(key) ?? '[]');
    return Array.isArray(places) ? places.filter(isPlace) : [];
  } catch {
    return [];
  }
}

function isPlace(value: unknown): value is [string, string] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string';
}
