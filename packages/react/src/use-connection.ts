import type { Connection, StateChange } from '@polycast/client';
import { useMemo } from 'react';
import { useProvidedConnection } from './provider.ts';
import { createStore, useStore } from './store.ts';

export interface ConnectionStatus extends StateChange {
  /** `undefined` on a server that renders pages. */
  readonly connection: Connection | undefined;
}

const IDLE: StateChange = { state: 'idle', transport: undefined, why: undefined, error: undefined };

/** The connection and its state: `const { state, transport } = useConnection()`. */
export function useConnection(): ConnectionStatus {
  const connection = useProvidedConnection();
  const store = useMemo(
    () =>
      createStore<StateChange>({
        initial: IDLE,
        start(report) {
          if (connection === undefined) return () => undefined;
          report(connection.state);
          return connection.on('state', report);
        },
      }),
    [connection],
  );
  return { ...useStore(store), connection };
}
