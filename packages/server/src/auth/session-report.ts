import type { Principal } from '../core/access/principal.ts';
import type { Position } from '../core/ports.ts';
import type { AuthParts } from './auth-parts.ts';
import { reauthenticateSession } from './expiry.ts';
import { decodeJson, encodeJson } from '../processes/process-channel.ts';
import type { OwnerLink } from '../processes/owner-link.ts';
import type { RefusedReading } from './refusal-log.ts';
import {
  answeredNews,
  closedNews,
  openedNews,
  placeOf,
  sentInterest,
  sentPrincipal,
  type PositionNews,
  type SessionNews,
  type SessionOrder,
} from './session-news.ts';
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
/** Sessions of one such message, the first ones that are behind. */
const PLACES_MAX = 1000;

export interface SessionReportParts {
  readonly owner: OwnerLink;
  readonly sessions: Sessions;
  readonly auth: AuthParts;
  readonly head: () => Position;
  /** The owner records the sessions in its journal. */
  readonly isRecording: boolean;
}

/**
 * Reports a follower's sessions to the owner. The owner has those of all processes, for presence,
 * the lists of users and the journal, and it can end them. The changes of one turn of the event
 * loop are one message.
 */
export class SessionReport implements SessionListener {
  readonly #parts: SessionReportParts;
  readonly #byId = new Map<string, Session>();
  readonly answered?: (poll: AnsweredPoll) => void;
  #news: SessionNews[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(parts: SessionReportParts) {
    this.#parts = parts;
    const { owner, sessions, isRecording } = parts;
    owner.on('session', (body) => this.#obey(decodeJson(body)));
    owner.on('positions', () => encodeJson(this.#positions()));
    owner.onWelcome(() => {
      // The next owner knows no session yet.
      this.#news = [];
      for (const session of this.#byId.values()) this.#report(openedNews(session));
    });
    this.#timer = setInterval(() => this.#reportPositions(), POSITIONS_INTERVAL_MS);
    this.#timer.unref();
    if (isRecording) this.answered = (poll) => this.#report(answeredNews(poll));
    sessions.listen(this);
  }

  opened(session: Session): void {
    this.#byId.set(session.id, session);
    this.#report(openedNews(session));
  }

  closed(session: Session): void {
    this.#byId.delete(session.id);
    this.#report(closedNews(session));
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

  #report(news: SessionNews): void {
    if (!this.#parts.owner.isConnected) return;
    this.#news.push(news);
    if (this.#news.length > 1) return;
    setImmediate(() => {
      const sent = this.#news;
      this.#news = [];
      if (sent.length > 0) this.#parts.owner.send('sessions', encodeJson(sent));
    });
  }

  #reportPositions(): void {
    const { owner } = this.#parts;
    if (owner.isConnected && this.#byId.size > 0) owner.send('positions', encodeJson(this.#positions()));
  }

  #positions(): PositionNews {
    const head = this.#parts.head();
    const places: Record<string, NonNullable<ReturnType<typeof placeOf>>> = {};
    let count = 0;
    for (const session of this.#byId.values()) {
      const place = placeOf(session, head);
      if (place === undefined) continue;
      places[session.id] = place;
      if (++count === PLACES_MAX) break;
    }
    return { head, places };
  }

  #obey({ id, action }: SessionOrder): void {
    const session = this.#byId.get(id);
    if (session === undefined) return;
    if (action === 'destroy') return session.destroy();
    if (action === 'ended') return session.drain(0, 'ended');
    if (action !== 'reauthenticate') return session.disconnect(action);
    reauthenticateSession(this.#parts.auth, session);
  }
}
