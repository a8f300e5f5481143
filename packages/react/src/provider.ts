import type { Connection } from '@polycast/client';
import { createContext, createElement, useContext, type Context, type ReactElement, type ReactNode } from 'react';

export interface PolycastProviderProps {
  /**
   * The connection of all hooks below. `undefined` on a server that renders pages: the hooks then
   * return their first values, as they do in the browser's first render.
   */
  readonly connection: Connection | undefined;
  readonly children?: ReactNode;
}

/**
 * A component without a provider above it has a mistake, and `null` shows it. A provider without a
 * connection has none: its context is `undefined`.
 */
const ConnectionContext: Context<Connection | undefined | null> = createContext<Connection | undefined | null>(null);

/**
 * Gives a connection to the hooks below. Make the connection once, outside of components:
 * `const connection = connect(location.origin)`. It opens with the first subscription.
 */
export function PolycastProvider({ connection, children }: PolycastProviderProps): ReactElement {
  return createElement(ConnectionContext.Provider, { value: connection }, children);
}

/** @throws Error outside of a provider */
export function useProvidedConnection(): Connection | undefined {
  const connection = useContext(ConnectionContext);
  if (connection === null) throw new Error('Render this component below a <PolycastProvider>.');
  return connection;
}
