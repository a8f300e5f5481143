import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

/** Something that is read from the hub: not yet, read, or failed. The last value stays visible. */
export interface Loaded<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/**
 * Reads a value when the view appears, when `keys` change, and at an interval if there is one.
 * @param everyMs pauses while the page is hidden
 */
export function useLoad<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  keys: readonly unknown[],
  everyMs?: number,
): Loaded<Value> {
  const [state, setState] = useState<Omit<Loaded<Value>, 'reload'>>({
    value: undefined,
    error: undefined,
    isLoading: true,
  });
  const [version, setVersion] = useState(0);
  const reload = useCallback(() => setVersion((present) => present + 1), []);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      try {
        const value = document.hidden && everyMs !== undefined ? undefined : await latest.current(abort.signal);
        if (!abort.signal.aborted && value !== undefined) setState({ value, error: undefined, isLoading: false });
      } catch (error) {
        if (!abort.signal.aborted) setState(({ value }) => ({ value, error, isLoading: false }));
      }
      if (everyMs !== undefined && !abort.signal.aborted) timer = setTimeout(() => void run(), everyMs);
    };
    setState(({ value }) => ({ value, error: undefined, isLoading: true }));
    void run();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [...keys, version, everyMs]);
  return { ...state, reload };
}
