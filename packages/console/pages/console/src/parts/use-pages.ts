import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

/** A page of a list, and where the next one begins; `null` at the end. */
export interface ListPage<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

/** A list that is read page by page. */
export interface Pages<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
  readonly isLoading: boolean;
  readonly error: unknown;
  readonly more: () => void;
  readonly reload: () => void;
}

/**
 * Reads the first page of a list, and further ones on demand. A page without items and with a next
 * one is followed immediately, up to a bound: a search may examine many names without a result.
 * @param keys name the list: when they change, another list is shown, from its beginning
 * @param revision when it changes, the same list is read again, as far as it is shown. Until then
 * the items stay, with what a person has opened or typed there
 */
export function usePages<Item>(
  load: (after: string | undefined, signal: AbortSignal) => Promise<ListPage<Item>>,
  keys: readonly unknown[],
  revision?: unknown,
): Pages<Item> {
  const [items, setItems] = useState<readonly Item[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<unknown>(undefined);
  const [version, setVersion] = useState(0);
  const latest = useRef({ load, shown: 0 });
  latest.current = { load, shown: items.length };
  const abort = useRef(new AbortController());

  const follow = useCallback(async (from: string | undefined, present: readonly Item[], wanted: number) => {
    const { signal } = abort.current;
    setLoading(true);
    try {
      let after = from;
      let found = present;
      for (;;) {
        const page = await latest.current.load(after, signal);
        if (signal.aborted) return;
        found = [...found, ...page.items];
        after = page.next ?? undefined;
        const isEnough = after === undefined || found.length - present.length >= wanted;
        // A list that is read again does not become shorter in between.
        if (isEnough || found.length >= latest.current.shown) {
          setItems(found);
          setNext(page.next);
          setError(undefined);
        }
        if (isEnough) break;
      }
    } catch (failure) {
      if (!signal.aborted) setError(failure);
    }
    if (!signal.aborted) setLoading(false);
  }, []);

  const name = JSON.stringify(keys);
  const listed = useRef(name);
  useEffect(() => {
    abort.current = new AbortController();
    let wanted = Math.max(ITEMS_WANTED, latest.current.shown);
    if (listed.current !== name) {
      listed.current = name;
      wanted = ITEMS_WANTED;
      latest.current.shown = 0;
      setItems([]);
      setNext(null);
    }
    void follow(undefined, [], wanted);
    return () => abort.current.abort();
  }, [name, revision, version]);

  return {
    items,
    hasMore: next !== null,
    isLoading,
    error,
    more: () => void follow(next ?? undefined, items, ITEMS_WANTED),
    reload: () => setVersion((present) => present + 1),
  };
}

/** A search goes on until it has found this many. */
const ITEMS_WANTED = 20;
