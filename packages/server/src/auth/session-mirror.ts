import { transportCounts, type TransportName } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import { Interest, interestKey } from '../core/interests/interest.ts';
import type { Position } from '../core/ports.ts';
import { BoundedCache } from '../core/primitives/bounded-cache.ts';
import type { EndReason, PositionRange } from '../core/session-journal/session-record.ts';
import type { FollowerLink, FollowerLinks } from '../processes/follower-links.ts';
import { decodeJson, encodeJson } from '../processes/process-channel.ts';
import type { ConnectionQuota } from './connection-quota.ts';
import type { RefusedReading } from './refusal-log.ts';
import {
  receivedPrincipal,
  type OpenedUpdate,
  type PositionUpdate,
  type SentInterest,
  type SentPrincipal,
  type SessionUpdate,
  type SessionCommand,
  type SessionPlace,
} from './session-updates.ts';
import type { RecordedSession, RevokedReason, Session, Sessions } from './sessions.ts';

/** A follower that is silent for this time leaves its sessions where it reported them last. */
const POSITIONS_TIMEOUT_MS = 2000;
/** Memory for lists of channels that several sessions share, with their keys. */
const CHANNELS_BYTES_MAX: number = 8 * 1024 * 1024;

export interface SessionMirrorParts {
  readonly followers: FollowerLinks;
  readonly sessions: Sessions;
  /** The principal of a key's secret, as this process knows it. */
  readonly keyPrincipal: (key: string, issuedMs: number) => Principal | undefined;
  /** @throws PolycastError when presence has no room for the session */
  readonly checkCapacity: (principal: Principal, channels: readonly string[]) => void;
  readonly quota: ConnectionQuota;
  /** A known user was refused to read a channel at a follower. */
  readonly refused: (refusal: RefusedReading) => void;
}

/**
 * The owner's view of the sessions at the followers. Each is one of its own registry, so presence,
 * the lists of users, disconnects and revocations work on the sessions of all processes alike.
 * Example: a user with a stream at two followers is online once, with two sessions.
 */
export class SessionMirror {
  readonly #parts: SessionMirrorParts;
  readonly #byLink = new Map<FollowerLink, Map<string, MirroredSession>>();
  readonly #counts = transportCounts();
  #refreshing: Promise<void> | undefined;
  #nextRefresh: Promise<void> | undefined;
  /**
   * Equal lists are one object, as within one process: a poll that waits has its poller's channels.
   */
  readonly #channels = new BoundedCache<readonly string[]>(
    CHANNELS_BYTES_MAX,
    (channels) => 64 + channels.reduce((sum, { length }) => sum + 64 + 2 * length, 0),
  );

  constructor(parts: SessionMirrorParts) {
    this.#parts = parts;
    const { followers } = parts;
    followers.on('sessions', (link, body) => {
      for (const update of decodeJson<readonly SessionUpdate[]>(body)) this.#apply(link, update);
    });
    followers.on('positions', (link, body) => this.#place(link, decodeJson(body)));
    followers.onClosed((link) => this.#forget(link));
  }

  /** The number of sessions of the followers. */
  count(transport: TransportName): number {
    return this.#counts[transport];
  }

  find(link: FollowerLink, id: string): Session | undefined {
    return this.#byLink.get(link)?.get(id);
  }

  /** The follower that has a session; `undefined` for a session of this process. */
  linkOf(session: Session): FollowerLink | undefined {
    return session instanceof MirroredSession ? session.link : undefined;
  }

  /**
   * Asks the followers where their sessions are now. Otherwise that is known within a second, as
   * long as few are behind. Callers that arrive while the followers answer share the next question.
   */
  refresh(): Promise<void> {
    if (this.#refreshing === undefined) return this.#ask();
    this.#nextRefresh ??= this.#refreshing.then(() => {
      this.#nextRefresh = undefined;
      return this.#ask();
    });
    return this.#nextRefresh;
  }

  #ask(): Promise<void> {
    // The positions are notifications, and precede the answer.
    const asked = this.#parts.followers.ask('positions', NO_BYTES, POSITIONS_TIMEOUT_MS);
    return (this.#refreshing = asked.then(() => void (this.#refreshing = undefined)));
  }

  #apply(link: FollowerLink, update: SessionUpdate): void {
    const { sessions } = this.#parts;
    const mirrored = this.#sessionsOf(link);
    if (update.kind === 'refused') return this.#parts.refused(update.refusal);
    if (update.kind === 'polled') return sessions.polled(this.#principalOf(update.principal), update.channels);
    if (update.kind === 'opened') return this.#open(link, mirrored, update);
    if (update.kind === 'answered') {
      const { kind: _, interest, principal, client, ...poll } = update;
      return sessions.answered({
        ...poll,
        client,
        principal: this.#principalOf(principal),
        interest: this.#interestOf(interest),
      });
    }
    const session = mirrored.get(update.id);
    if (session === undefined) return;
    if (update.kind === 'closed') {
      if (session instanceof MirroredStream && update.end !== undefined) session.end(update.end);
      return this.#close(mirrored, session);
    }
    const { principal, channels } = session;
    const next = this.#principalOf(update.principal);
    // A connection that identified itself late.
    if (principal.user !== next.user && !this.#isAdmitted(next, undefined)) session.drain(0, 'ended');
    session.principal = next;
    session.channels = this.#shared(update.channels);
    if (session instanceof MirroredStream && update.interest !== undefined)
      session.interest = this.#interestOf(update.interest);
    sessions.changed(session, { principal, channels, ...(update.from !== undefined && { from: update.from }) });
  }

  #open(link: FollowerLink, mirrored: Map<string, MirroredSession>, update: OpenedUpdate): void {
    const principal = this.#principalOf(update.principal);
    const opened = { ...update, channels: this.#shared(update.channels) };
    const session =
      update.stream === undefined
        ? new MirroredSession(link, opened, principal)
        : new MirroredStream(
            link,
            { ...opened, stream: update.stream },
            principal,
            this.#interestOf(update.stream.interest),
          );
    try {
      this.#parts.checkCapacity(session.principal, session.channels);
    } catch {
      return session.destroy();
    }
    // Another process accepted the last session of its user or address in the same moment.
    if (update.isKnown !== true && !this.#isAdmitted(principal, update.address)) return session.drain(0, 'ended');
    mirrored.set(session.id, session);
    this.#counts[session.transport]++;
    this.#parts.sessions.add(session);
  }

  #isAdmitted(principal: Principal, address: string | undefined): boolean {
    try {
      this.#parts.quota.checkLimits(principal, address);
      return true;
    } catch {
      return false;
    }
  }

  #shared(channels: readonly string[]): readonly string[] {
    const key = JSON.stringify(channels);
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    this.#channels.set(key, channels);
    return channels;
  }

  #interestOf({ patterns, types, except }: SentInterest): Interest {
    const shared = this.#shared(patterns);
    return new Interest(interestKey(shared, types, except), shared, types, except, 0);
  }

  #close(mirrored: Map<string, MirroredSession>, session: MirroredSession): void {
    mirrored.delete(session.id);
    this.#counts[session.transport]--;
    this.#parts.sessions.remove(session);
  }

  #place(link: FollowerLink, { round, head, places, isLast }: PositionUpdate): void {
    const mirrored = this.#sessionsOf(link);
    for (const [id, place] of Object.entries(places)) mirrored.get(id)?.place(round, place);
    if (!isLast) return;
    const atHead = { position: head, writtenThrough: head };
    for (const session of mirrored.values()) if (session.round !== round) session.place(round, atHead);
  }

  #forget(link: FollowerLink): void {
    const mirrored = this.#sessionsOf(link);
    for (const session of mirrored.values()) this.#close(mirrored, session);
    this.#byLink.delete(link);
  }

  #sessionsOf(link: FollowerLink): Map<string, MirroredSession> {
    let mirrored = this.#byLink.get(link);
    if (mirrored === undefined) this.#byLink.set(link, (mirrored = new Map()));
    return mirrored;
  }

  /**
   * The principal of a key is one object at each process:
   * its identity shows whether it still holds.
   */
  #principalOf(sent: SentPrincipal): Principal {
    const { key, issuedMs } = sent;
    const known = key === undefined ? undefined : this.#parts.keyPrincipal(key, issuedMs);
    return known ?? receivedPrincipal(sent);
  }
}

/** A session at a follower. */
class MirroredSession implements Session {
  readonly transport: TransportName;
  readonly isMomentary = false;
  readonly isElsewhere = true;
  readonly id: string;
  principal: Principal;
  channels: readonly string[];
  position: Position;
  readonly sinceMs: number;
  readonly address: string;
  registryIndex = -1;
  /** The last round of positions that had it. */
  round = 0;
  readonly link: FollowerLink;

  constructor(link: FollowerLink, opened: OpenedUpdate, principal: Principal) {
    const { id, transport, channels, sinceMs, address, position } = opened;
    this.link = link;
    this.id = id;
    this.transport = transport;
    this.channels = channels;
    this.position = position;
    this.sinceMs = sinceMs;
    this.address = address;
    this.principal = principal;
  }

  place(round: number, { position }: SessionPlace): void {
    this.round = round;
    this.position = position;
  }

  /** When the hub drains, its own process drains it. */
  drain(_reconnectInMs: number, reason?: 'drain' | 'ended'): void {
    if (reason === 'ended') this.#command('ended');
  }

  disconnect(reason: RevokedReason): void {
    this.#command(reason);
  }

  destroy(): void {
    this.#command('destroy');
  }

  reauthenticateElsewhere(): void {
    this.#command('reauthenticate');
  }

  #command(action: SessionCommand['action']): void {
    this.link.channel.send('session', encodeJson({ id: this.id, action } satisfies SessionCommand));
  }
}

/** A stream at a follower, with what the journal records of it. */
class MirroredStream extends MirroredSession implements RecordedSession {
  interest: Interest;
  readonly client: string | undefined;
  readonly excludesOwn: boolean;
  writtenThrough: Position;
  gaps: readonly PositionRange[] = [];
  /** Without a word from its process, that process has ended. */
  endReason: EndReason = 'hub';
  journalNumber = 0;

  constructor(link: FollowerLink, opened: OpenedStream, principal: Principal, interest: Interest) {
    super(link, opened, principal);
    const { client, excludesOwn, writtenThrough } = opened.stream;
    this.interest = interest;
    this.client = client;
    this.excludesOwn = excludesOwn;
    this.writtenThrough = writtenThrough;
  }

  override place(round: number, place: SessionPlace): void {
    super.place(round, place);
    this.writtenThrough = place.writtenThrough;
    if (place.gaps !== undefined) this.gaps = place.gaps;
  }

  end({ reason, writtenThrough, gaps }: StreamEnd): void {
    this.endReason = reason;
    this.writtenThrough = writtenThrough;
    this.gaps = gaps;
  }
}

type OpenedStream = OpenedUpdate & { readonly stream: NonNullable<OpenedUpdate['stream']> };
type StreamEnd = NonNullable<Extract<SessionUpdate, { kind: 'closed' }>['end']>;

const NO_BYTES = Buffer.alloc(0);
