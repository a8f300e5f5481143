import type { TransportName } from '@polycast/protocol';
import { endSession, liveSession } from '../sessions/live-sessions.ts';
import { endedSessionJson, liveSessionJson } from '../sessions/session-json.ts';
import type { AdministrationParts } from './administration-parts.ts';

/** What is known of a session that was ended. */
export interface EndedSession {
  readonly transport: TransportName;
  readonly user?: string;
}

/** A session of this hub, live or ended, as JSON. */
export function foundSession(parts: AdministrationParts, id: string): object | undefined {
  const found = sessionJson(parts, id);
  const { shared } = parts.log;
  return found === undefined || shared === undefined ? found : { ...found, hub: shared.others.self };
}

function sessionJson(parts: AdministrationParts, id: string): object | undefined {
  const session = liveSession(parts, id);
  if (session !== undefined) return liveSessionJson(parts, session);
  const record = parts.journal?.store.find(id);
  return record && endedSessionJson(record);
}

/** Ends a live session of this hub. `undefined`: it has none with this id. */
export function endSessionHere(parts: AdministrationParts, id: string): EndedSession | undefined {
  const session = liveSession(parts, id);
  if (session === undefined) return undefined;
  const {
    transport,
    principal: { user },
  } = session;
  endSession(parts, session);
  return { transport, ...(user !== undefined && { user }) };
}
