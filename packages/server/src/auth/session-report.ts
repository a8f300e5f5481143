import type { Principal } from '../core/access/principal.ts';
import type { Position } from '../core/ports.ts';
import type { AuthParts } from './auth-parts.ts';
import { reauthenticateSession } from './expiry.ts';
import { decodeJson, encodeJson } from '../processes/process-channel.ts';
import type { OwnerLink } from '../processes/owner-link.ts';
import type { PositionRange } from '../core/session-journal/session-record.ts';
import type { RefusedReading } from './refusal-log.ts';
import {
  answeredUpdate,
  closedUpdate,
  openedUpdate,
  placeOf,
  sentInterest,
  sentPrincipal,
  type PositionUpdate,
  type SessionUpdate,
  type SessionPlace,
  type SessionCommand,
} from './session-updates.ts';
import {
  isRecorded,
  type AnsweredPoll,
  type Session,
  type SessionBefore,
  type SessionListener,
  type Sessions,
} from './sessions.ts';

/** The time between two reports of the positions of sessions that are behind. */
const POSITIONS_INTERVAL_MS = 1000;
/** Sessions of one such message. The next one continues behind them. */
const PLACES_MAX = 1000;

export interface SessionReportParts {
  readonly owner: OwnerLink;
  readonly sessions: Sessions;
  readonly auth: AuthParts;
  readonly head: () => Position;
  /** The owner records the sessions in its journal. */
  readonly isRecording: boolean;
}

/** The places of all sessions at one time, in one message or several. */
interface Round {
  readonly number: number;
  readonly head: Position;
  readonly rest: Iterator<Session>;
}

/**
 * Reports a follower's sessions to the owner. The owner has those of all processes, for presence,
 * the lists of users and the journal, and it can end them. The changes of one turn of the event
 * loop are one message.
 *
 * Where the sessions are is reported in rounds. Each second has one message, so a busy hub spends
 * little on it: a round with 3,000 sessions that are behind takes three seconds. When the owner
 * asks, all messages of a round follow each other.
 */
export class SessionReport implements SessionListener {
  readonly #parts: SessionReportParts;
  readonly #byId = new Map<string, Session>();
  /** Sessions that opened while there was no owner. */
  readonly #unreported = new Set<Session>();
  readonly answered?: (poll: AnsweredPoll) => void;
  #updates: SessionUpdate[] = [];
  #rounds = 0;
  /** The first round of the present owner. */
  #firstRound = 1;
  /** The round with one message a second. A round that the owner asks for takes its place. */
  #slowRound: Round | undefined;
  #askedRounds: Promise<unknown> = Promise.resolve();
  #askedRoundsRunning = 0;
  /** The gaps that the owner has. */
  #sentGaps = new WeakMap<Session, readonly PositionRange[]>();
  readonly #timer: NodeJS.Timeout;

  constructor(parts: SessionReportParts) {
    this.#parts = parts;
    const { owner, sessions, isRecording } = parts;
    owner.on('session', (body) => this.#execute(decodeJson(body)));
    owner.on('positions', () => this.#sendRound());
    owner.onWelcome(() => {
      // The next owner knows no session yet.
      this.#updates = [];
      this.#slowRound = undefined;
      this.#firstRound = this.#rounds + 1;
      this.#sentGaps = new WeakMap();
      for (const session of this.#byId.values()) {
        const isKnown = !this.#unreported.has(session);
        this.#report({ ...openedUpdate(session), ...(isKnown && { isKnown }) });
      }
      this.#unreported.clear();
    });
    this.#timer = setInterval(() => this.#continueSlowRound(), POSITIONS_INTERVAL_MS);
    this.#timer.unref();
    if (isRecording) this.answered = (poll) => this.#report(answeredUpdate(poll));
    sessions.listen(this);
  }

  opened(session: Session): void {
    this.#byId.set(session.id, session);
    if (!this.#parts.owner.isConnected) this.#unreported.add(session);
    this.#report(openedUpdate(session));
  }

  closed(session: Session): void {
    this.#byId.delete(session.id);
    this.#unreported.delete(session);
    this.#report(closedUpdate(session));
  }

  changed(session: Session, { from }: SessionBefore): void {
    const { id, principal, channels } = session;
    this.#report({
      kind: 'changed',
      id,
      principal: sentPrincipal(principal),
      channels,
      ...(isRecorded(session) && { interest: sentInterest(session.interest) }),
      ...(from !== undefined && { from }),
    });
  }

  polled(principal: Principal, channels: readonly string[]): void {
    this.#report({ kind: 'polled', principal: sentPrincipal(principal), channels });
  }

  /** A known user was refused to read a channel. */
  refused({ action, user, kind, key, address, channel }: RefusedReading): void {
    if (this.#parts.isRecording)
      this.#report({ kind: 'refused', refusal: { action, user, kind, key, address, channel } });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Sends the changes that wait for the end of the turn. */
  flush(): void {
    const sent = this.#updates;
    this.#updates = [];
    if (sent.length > 0) this.#parts.owner.send('sessions', encodeJson(sent));
  }

  #report(update: SessionUpdate): void {
    if (!this.#parts.owner.isConnected) return;
    this.#updates.push(update);
    if (this.#updates.length > 1) return;
    setImmediate(() => this.flush());
  }

  #continueSlowRound(): void {
    if (!this.#parts.owner.isConnected || this.#byId.size === 0 || this.#askedRoundsRunning > 0) return;
    this.#slowRound ??= this.#startRound();
    if (this.#sendPart(this.#slowRound)) this.#slowRound = undefined;
  }

  /** Resolves when the owner has been sent the places of all sessions. Rounds follow each other. */
  async #sendRound(): Promise<void> {
    this.#askedRoundsRunning++;
    const before = this.#askedRounds;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#askedRounds = promise;
    await before;
    this.#slowRound = undefined;
    const round = this.#startRound();
    while (!this.#sendPart(round)) await new Promise((next) => void setImmediate(next));
    this.#askedRoundsRunning--;
    resolve();
  }

  /** Sessions that open during a round are a part of it. */
  #startRound(): Round {
    return { number: ++this.#rounds, head: this.#parts.head(), rest: this.#byId.values() };
  }

  /** Whether it was the last part. A round that an earlier owner asked for has no further ones. */
  #sendPart({ number, head, rest }: Round): boolean {
    if (number < this.#firstRound) return true;
    const places: Record<string, SessionPlace> = {};
    let next = rest.next();
    for (let count = 0; next.done !== true; next = rest.next()) {
      const session = next.value;
      const place = placeOf(session, head, this.#sentGaps.get(session));
      if (place === undefined) continue;
      places[session.id] = place;
      if (place.gaps !== undefined) this.#sentGaps.set(session, place.gaps);
      if (++count === PLACES_MAX) break;
    }
    const isLast = next.done === true;
    this.#parts.owner.send('positions', encodeJson({ round: number, head, places, isLast } satisfies PositionUpdate));
    return isLast;
  }

  #execute({ id, action }: SessionCommand): void {
    const session = this.#byId.get(id);
    if (session === undefined) return;
    if (action === 'destroy') return session.destroy();
    if (action === 'ended') return session.drain(0, 'ended');
    if (action !== 'reauthenticate') return session.disconnect(action);
    reauthenticateSession(this.#parts.auth, session);
  }
}
