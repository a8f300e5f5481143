import { createContext, type Context } from 'preact';
import { disconnect, read, send } from './hub.ts';

/** Who uses the console. */
export interface ConsoleSession {
  /** `none`: the hub has no access control, and the console no login. */
  readonly login: 'required' | 'none';
  readonly as: {
    readonly kind: string;
    readonly key?: string;
    readonly name?: string;
    readonly user?: string;
  } | null;
  readonly until: string | null;
  /** The name of the cluster, if the hub is a part of one. */
  readonly cluster?: string;
}

/** The session of the pages below `App`. */
export const SessionContext: Context<ConsoleSession | undefined> = createContext<ConsoleSession | undefined>(undefined);

/** The hub of a cluster that gave an answer about itself alone. */
export interface HubInCluster {
  readonly name: string;
  readonly hub: string;
  readonly host: string;
  readonly hubs: number;
}

export function readSession(): Promise<ConsoleSession> {
  return read('console/session');
}

export async function logIn(credential: string): Promise<ConsoleSession> {
  const session = await send<ConsoleSession>('POST', 'console/session', { credential });
  disconnect();
  return session;
}

export async function logOut(): Promise<void> {
  await send('DELETE', 'console/session');
  disconnect();
}
