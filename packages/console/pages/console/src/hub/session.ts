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
