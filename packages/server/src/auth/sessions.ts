import type { Position } from '../core/ports.ts';
import type { Principal, Revocation } from '../core/access/principal.ts';
import type { TransportName } from '../http/services.ts';

/** Why somebody's session is ended before its client leaves: what the next request would be refused with. */
export type RevokedReason = 'token_expired' | 'unauthorized' | 'forbidden' | 'identity_unavailable';

/** A live client on one transport: a stream, or a poll for as long as it is answered. */
export interface Session {
  readonly transport: TransportName;
  /** The one in `ready`; a poll's is known to nobody who has not asked here. */
  readonly id: string;
  /** Who it is now: a WebSocket may say so, or renew it, in mid-connection. */
  readonly principal: Principal;
  /** Its channels and patterns now, `@me` by its full name. */
  readonly channels: readonly string[];
  /** Everything up to and with this has been given to it. */
  readonly position: Position;
  /** When it began, milliseconds since 1970, give or take a tick of the wheel. */
  readonly sinceMs: number;
  /** The client's; behind trusted proxies the one that those tell. */
  readonly address: string;
  /** Its place in the registry; the registry's own note. */
  registryIndex: number;
  /** Tells the client to go and come back elsewhere after so long, and ends the session. */
  drain(reconnectInMs: number): void;
  /** Ends the session and says why (PROTOCOL.md section 13.4). */
  disconnect(reason: RevokedReason): void;
  /** Ends the session at once, without a word. */
  destroy(): void;
}

/** Told, within the turn in which it happens, of who is there: of streams and of polls while they wait. */
export interface SessionListener {
  opened?(session: Session): void;
  /** Its principal and channels are still what they were. */
  closed?(session: Session): void;
  /** A WebSocket has other channels than before, or belongs to a user who was not known before. */
  changed?(session: Session, before: { readonly principal: Principal; readonly channels: readonly string[] }): void;
  /** Nobody is connected, and a user was here: a short poll. */
  polled?(principal: Principal, channels: readonly string[]): void;
}

/**
 * All live sessions, and whose they are. Joining and leaving cost O(1); whoever is nobody known costs no more than their
 * place, and who has one session alone no more than a line in a map.
 */
export class Sessions {
  readonly #sessions: Session[] = [];
  readonly #countByTransport: Record<TransportName, number> = { poll: 0, long_poll: 0, sse: 0, websocket: 0 };
  readonly #byUser: Groups = new Map();
  readonly #byKey: Groups = new Map();
  readonly #byToken: Groups = new Map();
  readonly #listeners: SessionListener[] = [];

  get size(): number {
    return this.#sessions.length;
  }

  count(transport: TransportName): number {
    return this.#countByTransport[transport];
  }

  listen(listener: SessionListener): void {
    this.#listeners.push(listener);
  }

  add(session: Session): void {
    session.registryIndex = this.#sessions.length;
    this.#sessions.push(session);
    this.#countByTransport[session.transport]++;
    // Answered within the turn, as a rule: not worth a line in a map.
    if (session.transport === 'poll') return;
    if (session.principal.kind !== 'anonymous') this.#index(session, session.principal);
    for (const listener of this.#listeners) listener.opened?.(session);
  }

  remove(session: Session): void {
    const index = session.registryIndex;
    if (this.#sessions[index] !== session) return;
    const last = this.#sessions[this.#sessions.length - 1] as Session;
    this.#sessions[index] = last;
    last.registryIndex = index;
    this.#sessions.pop();
    session.registryIndex = -1;
    this.#countByTransport[session.transport]--;
    if (session.transport === 'poll') return;
    if (session.principal.kind !== 'anonymous') this.#unindex(session, session.principal);
    for (const listener of this.#listeners) listener.closed?.(session);
  }

  /** A session has become another's, or has other channels; both were as given before. */
  changed(session: Session, before: { readonly principal: Principal; readonly channels: readonly string[] }): void {
    if (session.registryIndex < 0) return;
    if (before.principal !== session.principal) {
      this.#unindex(session, before.principal);
      this.#index(session, session.principal);
    }
    for (const listener of this.#listeners) listener.changed?.(session, before);
  }

  /** A short poll has been answered. */
  polled(principal: Principal, channels: readonly string[]): void {
    if (principal.user === undefined) return;
    for (const listener of this.#listeners) listener.polled?.(principal, channels);
  }

  /** Each of those that live now, once, skipping those that leave in the meantime. */
  *each(): Generator<Session> {
    for (const session of this.#sessions.slice()) if (session.registryIndex >= 0) yield session;
  }

  /** A user's sessions, those of short polls left out. */
  ofUser(user: string): readonly Session[] {
    return sessionsOf(this.#byUser, user);
  }

  /** Users with a session, those of short polls left out. */
  users(): IterableIterator<string> {
    return this.#byUser.keys();
  }

  countOfUser(user: string): number {
    const group = this.#byUser.get(user);
    return group === undefined ? 0 : group instanceof Set ? group.size : 1;
  }

  /** Those whose standing a revocation ends: found by the narrowest name it has, and looked at one by one. */
  matching(revocation: Revocation): readonly Session[] {
    const { token, user, key } = revocation;
    const found =
      token !== undefined
        ? sessionsOf(this.#byToken, token)
        : user !== undefined
          ? sessionsOf(this.#byUser, user)
          : key !== undefined
            ? sessionsOf(this.#byKey, key)
            : revocation.session !== undefined || revocation.signer !== undefined
              ? this.#sessions
              : [];
    return found.filter((session) => matchesRevocation(session, revocation));
  }

  #index(session: Session, { user, key, token }: Principal): void {
    if (user !== undefined) addToGroup(this.#byUser, user, session);
    if (key !== undefined) addToGroup(this.#byKey, key, session);
    if (token !== undefined) addToGroup(this.#byToken, token, session);
  }

  #unindex(session: Session, { user, key, token }: Principal): void {
    if (user !== undefined) removeFromGroup(this.#byUser, user, session);
    if (key !== undefined) removeFromGroup(this.#byKey, key, session);
    if (token !== undefined) removeFromGroup(this.#byToken, token, session);
  }
}

/** Most names have one session, which needs no set. */
type Groups = Map<string, Session | Set<Session>>;

function addToGroup(groups: Groups, name: string, session: Session): void {
  const group = groups.get(name);
  if (group === undefined) groups.set(name, session);
  else if (group instanceof Set) group.add(session);
  else groups.set(name, new Set([group, session]));
}

function removeFromGroup(groups: Groups, name: string, session: Session): void {
  const group = groups.get(name);
  if (group === session) groups.delete(name);
  else if (group instanceof Set && group.delete(session) && group.size === 1)
    groups.set(name, [...group][0] as Session);
}

function sessionsOf(groups: Groups, name: string): readonly Session[] {
  const group = groups.get(name);
  return group === undefined ? [] : group instanceof Set ? [...group] : [group];
}

function matchesRevocation({ id, principal }: Session, revocation: Revocation): boolean {
  const { user, token, key, session, signer, issuedBeforeMs } = revocation;
  return (
    (user === undefined || principal.user === user) &&
    (token === undefined || principal.token === token) &&
    (key === undefined || principal.key === key) &&
    (session === undefined || id === session) &&
    (signer === undefined || principal.signer === signer) &&
    principal.issuedMs < issuedBeforeMs
  );
}
