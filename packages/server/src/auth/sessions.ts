import { transportCounts, type TransportName } from '@polycast/protocol';
import type { Interest } from '../core/interests/interest.ts';
import type { Position, Random } from '../core/ports.ts';
import type { EndReason, PositionRange } from '../core/session-journal/session-record.ts';
import type { SessionPhase } from '../core/session.ts';
import type { Principal, Revocation } from '../core/access/principal.ts';
import { draining } from '../http/refusals.ts';

/**
 * The reason why the hub ends a session. It is the error code that the client's next request would
 * receive.
 */
export type RevokedReason = 'token_expired' | 'unauthorized' | 'forbidden' | 'identity_unavailable';

/**
 * A live client on one transport: a stream, or a poll until it is answered. Example: a user with a
 * phone and two tabs has three sessions.
 */
export interface Session {
  readonly transport: TransportName;
  /** The session is over within its turn, as a short poll is. It is counted but not indexed. */
  readonly isMomentary: boolean;
  /** The id in `ready`. A poll's id appears only in the answers of the administration. */
  readonly id: string;
  /**
   * The current principal. A WebSocket may authenticate, or renew its credentials, while it is
   * open.
   */
  readonly principal: Principal;
  /** The current channels and patterns, with the full name of `@me`. */
  readonly channels: readonly string[];
  /** The reader has passed all events up to and including this position. */
  readonly position: Position;
  /** The start in milliseconds since 1970, accurate to one tick of the wheel. */
  readonly sinceMs: number;
  /** The client's address; behind trusted proxies the one that they forward. */
  readonly address: string;
  /** The index in `Sessions`, which alone sets it; -1 when the session is not registered. */
  registryIndex: number;
  /** The session is at another process of the hub, which also checks its credentials. */
  readonly isElsewhere?: boolean;
  /** Asks that process to authenticate it again. */
  reauthenticateElsewhere?(): void;
  /** Asks the client to reconnect after this time, and ends the session. */
  drain(reconnectInMs: number, reason?: 'drain' | 'ended'): void;
  /** Ends the session and sends the reason (PROTOCOL.md section 13.4). */
  disconnect(reason: RevokedReason): void;
  /** Ends the session immediately, without a message. */
  destroy(): void;
}

/**
 * A stream, as the session journal and explanations see it. It may be at another process of the
 * hub.
 */
export interface RecordedSession extends Session {
  /** The channels and types that it reads now. */
  readonly interest: Interest;
  /** The client's own name for itself. */
  readonly client: string | undefined;
  /** It leaves out the events of its own client. */
  readonly excludesOwn: boolean;
  /**
   * All events up to here were handed to the network.
   * A blocked connection has not taken the last batch.
   */
  readonly writtenThrough: Position;
  /** Ranges in which it missed events, and said so. The newest ones. */
  readonly gaps: readonly PositionRange[];
  /** Why it ended. Meaningful once it is closed. */
  readonly endReason: EndReason;
  /** Its number in the session journal, which alone sets it; not above 0: it is not recorded. */
  journalNumber: number;
}

/** A session that stays open with other credentials: a stream. */
export interface RenewableSession extends RecordedSession {
  /** `open` until the session begins to end. */
  readonly phase: SessionPhase;
  /** Warns the client that its credentials expire. */
  sendExpiring(): void;
  /** Applies credentials that the hub renewed by itself. */
  applyRenewal(principal: Principal): Promise<void>;
}

/**
 * Whether the journal records a session by itself. The polls of a user are recorded as a poller.
 */
export function isRecorded(session: Session): session is RecordedSession {
  return 'journalNumber' in session;
}

/** Whether this is a session that has been opened and not closed. */
export function isRegisteredSession(value: object): value is Session {
  return 'registryIndex' in value && value.registryIndex !== -1;
}

/**
 * Whether a session can go on with other credentials. A poll cannot: it ends, and is asked again.
 */
export function isRenewable(session: Session): session is RenewableSession {
  return 'applyRenewal' in session;
}

/** Receives changes of streams and waiting polls, within the turn in which they happen. */
export interface SessionListener {
  opened?(session: Session): void;
  /** The session still has its last principal and channels. */
  closed?(session: Session): void;
  /**
   * The channels of a WebSocket have changed, or its principal: it authenticated or renewed its
   * credentials.
   */
  changed?(session: Session, before: SessionBefore): void;
  /** A known user made a short poll, which leaves no session behind. */
  polled?(principal: Principal, channels: readonly string[]): void;
  /** A poll of a known user was answered. */
  answered?(poll: AnsweredPoll): void;
}

/** A session before a change. */
export interface SessionBefore {
  readonly principal: Principal;
  readonly channels: readonly string[];
  /**
   * Events after this position are read with the new channels.
   * Absent: those after the session's position.
   */
  readonly from?: Position;
}

/** A short or long poll of a known user, when it is answered. */
export interface AnsweredPoll {
  readonly transport: TransportName;
  readonly principal: Principal;
  readonly interest: Interest;
  readonly address: string;
  readonly client: string | undefined;
  readonly excludesOwn: boolean;
  /** The client asked for events after this position, */
  readonly from: Position;
  /** and has all of them up to and including this one. */
  readonly reached: Position;
  /** Retention had removed events up to this position; 0 for none. */
  readonly gapThrough: Position;
}

/**
 * The registry of all live sessions, by user, key and token. Adding and removing one costs O(1). An
 * anonymous session costs only its place in a list. The only session of a user also costs an entry
 * in a map.
 */
export class Sessions {
  readonly #sessions: Session[] = [];
  readonly #countByTransport = transportCounts();
  readonly #byUser: Groups = new Map();
  readonly #byKey: Groups = new Map();
  readonly #byToken: Groups = new Map();
  readonly #listeners: SessionListener[] = [];
  #recordsPolls = false;
  #isDraining = false;
  readonly #random: Pick<Random, 'token'>;

  constructor(random: Pick<Random, 'token'>) {
    this.#random = random;
  }

  /**
   * An id for a new session, which nobody can guess. It does not begin with a hyphen, which a
   * command line would read as an option.
   */
  createId(): string {
    let id = this.#random.token();
    while (id.startsWith('-')) id = this.#random.token();
    return id;
  }

  get size(): number {
    return this.#sessions.length;
  }

  count(transport: TransportName): number {
    return this.#countByTransport[transport];
  }

  listen(listener: SessionListener): void {
    this.#listeners.push(listener);
    if (listener.answered !== undefined) this.#recordsPolls = true;
  }

  /** The hub drains: no further session begins. */
  drain(): void {
    this.#isDraining = true;
  }

  /**
   * Call it in the turn in which a session begins. Its request may be older than the drain, and has
   * waited for its identity or for the log.
   * @throws PolycastError `draining`
   */
  checkOpen(): void {
    if (this.#isDraining) throw draining();
  }

  add(session: Session): void {
    session.registryIndex = this.#sessions.length;
    this.#sessions.push(session);
    this.#countByTransport[session.transport]++;
    // A short poll is usually answered within the turn, so it is not indexed.
    if (session.isMomentary) return;
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
    if (session.isMomentary) return;
    if (session.principal.kind !== 'anonymous') this.#unindex(session, session.principal);
    for (const listener of this.#listeners) listener.closed?.(session);
  }

  /** A session's principal or channels have changed; `before` has the earlier ones. */
  changed(session: Session, before: SessionBefore): void {
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

  /** Whether anything records polls. Otherwise they need not be described. */
  get recordsPolls(): boolean {
    return this.#recordsPolls;
  }

  /** A poll of a known user has been answered. Call it only if `recordsPolls`. */
  answered(poll: AnsweredPoll): void {
    for (const listener of this.#listeners) listener.answered?.(poll);
  }

  /** Each session that is live now, once; sessions that end during the iteration are skipped. */
  *each(): Generator<Session> {
    for (const session of this.#sessions.slice()) if (session.registryIndex >= 0) yield session;
  }

  /** A user's sessions, without short polls. */
  ofUser(user: string): readonly Session[] {
    return sessionsOf(this.#byUser, user);
  }

  /** The users with a session, without short polls. */
  users(): IterableIterator<string> {
    return this.#byUser.keys();
  }

  /** The users with at least so many sessions. */
  *usersFrom(min: number): Generator<string, void> {
    for (const [user, group] of this.#byUser) if ((group instanceof Set ? group.size : 1) >= min) yield user;
  }

  countOfUser(user: string): number {
    const group = this.#byUser.get(user);
    return group === undefined ? 0 : group instanceof Set ? group.size : 1;
  }

  /**
   * The sessions that a revocation ends. They are found by its most specific name and then compared
   * one by one.
   */
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

/** Most names have a single session, which needs no set. */
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
