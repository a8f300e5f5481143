import { useSyncExternalStore } from 'react';

/**
 * A store holds a snapshot that changes outside of React. It runs while a component reads it.
 * Example: a store of `orders.42` subscribes when the first component mounts, and ends its
 * subscription when the last one unmounts. Strict mode mounts twice: the second run continues from
 * the cursor of the first.
 */
export interface Store<Snapshot> {
  readonly subscribe: (onChange: () => void) => () => void;
  readonly getSnapshot: () => Snapshot;
  /** What a server renders, and the browser's first render of the same page. */
  readonly getServerSnapshot: () => Snapshot;
}

/** A store's own part: it starts, reports new snapshots, and stops. */
export interface Source<Snapshot> {
  readonly initial: Snapshot;
  /** Returns the function that stops it. After that, it reports nothing. */
  readonly start: (report: (snapshot: Snapshot) => void) => () => void;
}

export function createStore<Snapshot>({ initial, start }: Source<Snapshot>): Store<Snapshot> {
  const listeners = new Set<() => void>();
  let snapshot = initial;
  let stop: (() => void) | undefined;
  let run = 0;
  const begin = (): (() => void) => {
    const current = ++run;
    return start((next) => {
      if (current !== run) return;
      snapshot = next;
      for (const listener of listeners) listener();
    });
  };
  return {
    subscribe(onChange) {
      listeners.add(onChange);
      stop ??= begin();
      return () => {
        listeners.delete(onChange);
        if (listeners.size > 0) return;
        // The source reports its last state. A later reader begins with it.
        stop?.();
        stop = undefined;
        run++;
      };
    },
    getSnapshot: () => snapshot,
    getServerSnapshot: () => initial,
  };
}

export function useStore<Snapshot>({ subscribe, getSnapshot, getServerSnapshot }: Store<Snapshot>): Snapshot {
  return useSyncExternalStore(subscribe, getSnapshot, getServerSnapshot);
}
