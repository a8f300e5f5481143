import { encodeCursor, type Gap, type PolycastError, type TransportName } from '@polycast/protocol';
import type { Batch } from '../core/events/batch.ts';
import { withoutOwnEvents, type RemainingFrames } from '../core/events/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { sessionTransition, type SessionInput, type SessionPhase } from '../core/session.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import type { Interest } from '../core/interests/interest.ts';
import { withRange, type EndReason, type PositionRange } from '../core/session-journal/session-record.ts';
import type { WheelTimer } from '../core/primitives/timing-wheel.ts';
import { ownEventMarker } from '../auth/author.ts';
import type { ReadRequest } from './read-request.ts';
import type { CloseReason, ControlFrames } from './control-frames.ts';
import { credentialsError } from '../auth/permission.ts';
import { expiryTicks, renewCredentials, allowedChannels, ticksTo } from '../auth/expiry.ts';
import { forgetPeerAddress, peerAddress } from '../http/client-address.ts';
import { listenToSocket, NO_BYTES, SESSION, type SessionSocket, type SessionStream } from './session-socket.ts';
import type { SessionParts } from './stream-parts.ts';
import type { RenewableSession, RevokedReason } from '../auth/sessions.ts';

const NO_RANGES: readonly PositionRange[] = [];
/** Beyond these bytes of a client on a stream whose input is ignored, the hub closes the socket. */
const IGNORED_BYTES_MAX = 64 * 1024;

/** A connection that takes no bytes: since which tick, and where its session was then. */
interface Blocked {
  readonly tick: number;
  readonly from: Position;
}

/**
 * A live client on one socket. The session writes the batches of its reader, at most one in flight.
 * It also sends heartbeats and control messages, and closes when asked. The reader decides which
 * batch is next.
 */
export class StreamSession<Parts extends SessionParts = SessionParts> implements Sink, WheelTimer, RenewableSession {
  protected readonly parts: Parts;
  protected readonly frames: ControlFrames;
  protected readonly socket: SessionSocket;
  readonly id: string;
  readonly reader: Reader;
  /**
   * The reader that may have a batch in flight: the session's own, or one for channels that catch
   * up with it.
   */
  protected activeReader: Reader;
  registryIndex = -1;
  journalNumber = 0;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  #phase: SessionPhase = 'open';
  /** The tick of the last write. A heartbeat is due one heartbeat interval later. */
  protected sentTick = 0;
  /**
   * The position that the client knows from an event or a control message. It resumes from there or
   * later.
   */
  #clientPosition: Position = 0;
  /** Since when its connection takes no bytes. */
  #blocked: Blocked | undefined;
  #endReason: EndReason | undefined;
  #gaps: readonly PositionRange[] = NO_RANGES;
  #principal: Principal;
  #expiresTick = 0;
  #warnTick = 0;
  /**
   * When it was opened, by the clock: timers are late,
   * and the sum of their delays grows without a bound.
   */
  readonly sinceMs: number;
  /** `undefined`: the address of the socket's peer. */
  readonly #address: string | undefined;
  readonly client: string | undefined;
  /** The bytes that mark the client's own events. `undefined` if those are delivered too. */
  #ownEventMarker: string | undefined = undefined;
  /** Bytes that the connection had read before this session: it may have served other requests. */
  readonly #bytesReadBefore: number;
  #lastWords: CloseReason | Uint8Array = 'drain';

  constructor(parts: Parts, frames: ControlFrames, socket: SessionStream, readRequest: ReadRequest) {
    this.parts = parts;
    this.frames = frames;
    this.socket = socket;
    this.id = parts.sessions.createId();
    this.#principal = readRequest.principal;
    this.#address = readRequest.address;
    this.client = readRequest.client;
    if (readRequest.excludesSelf) this.#ownEventMarker = ownEventMarker(this.#principal, this.origin);
    this.sinceMs = parts.auth.clock.nowMs();
    this.reader = new Reader(parts.feed, this, readRequest.interest, frames.framing, readRequest.position);
    this.reader.suppressGapThrough(readRequest.suppressGapThrough);
    this.activeReader = this.reader;
    this.#bytesReadBefore = socket.bytesRead ?? 0;
    this.socket[SESSION] = this;
  }

  get transport(): TransportName {
    return this.frames.transport;
  }

  get isMomentary(): boolean {
    return false;
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  get principal(): Principal {
    return this.#principal;
  }

  get channels(): readonly string[] {
    return this.reader.interest.patterns;
  }

  get interest(): Interest {
    return this.reader.interest;
  }

  get excludesOwn(): boolean {
    return this.#ownEventMarker !== undefined;
  }

  get writtenThrough(): Position {
    return this.#blocked === undefined ? this.position : Math.min(this.#blocked.from, this.position);
  }

  get gaps(): readonly PositionRange[] {
    return this.#gaps;
  }

  get endReason(): EndReason {
    return this.#endReason ?? 'network';
  }

  get position(): Position {
    return Math.min(this.reader.position, this.activeReader.position);
  }

  get address(): string {
    return this.#address ?? peerAddress(this.socket);
  }

  /**
   * The origin that the session's events carry: the client's name for itself, or the session's id.
   */
  get origin(): string {
    return this.client ?? this.id;
  }

  /** Whether events of this session always name their origin, whatever the principal. */
  get hasExplicitOrigin(): boolean {
    return this.client !== undefined || this.#ownEventMarker !== undefined;
  }

  /** Sends the opening messages and starts to read. */
  open(opening: string | Uint8Array): void {
    const { socket, parts } = this;
    listenToSocket(socket);
    parts.sessions.add(this);
    forgetPeerAddress(socket);
    this.#clientPosition = this.reader.position;
    this.send(opening);
    if (this.#principal.expiresMs === Infinity) parts.wheel.schedule(this, parts.settings.session.heartbeatTicks);
    else this.#scheduleExpiry();
    this.reader.start();
  }

  /**
   * Applies credentials that the hub renewed by itself. A channel that is no longer allowed ends
   * the session: the channels of a stream come from its request. The response to the next request
   * names the refused channel.
   */
  async applyRenewal(principal: Principal): Promise<void> {
    const before = this.channels;
    const allowed = await allowedChannels(this.parts.auth, principal, before);
    if (credentialsError(this.parts.auth, principal) !== undefined) this.disconnect('unauthorized');
    else if (allowed.length < before.length) this.disconnect('forbidden');
    else this.replacePrincipal(principal);
  }

  /** Replaces the session's credentials by others of the same user, or by its first ones. */
  replacePrincipal(principal: Principal): void {
    const before = { principal: this.#principal, channels: this.channels };
    this.#principal = principal;
    if (this.#ownEventMarker !== undefined) this.#ownEventMarker = ownEventMarker(principal, this.origin);
    this.parts.sessions.changed(this, before);
    if (this.#phase === 'open') this.#scheduleExpiry();
  }

  deliver(batch: Batch, sendGapFirst: boolean): boolean {
    const { socket, parts } = this;
    if (sendGapFirst) this.sendBatchGap(batch);
    const { bytes, count } = this.withoutOwnEvents(batch);
    if (count > 0) {
      socket.write(bytes);
      parts.stats.deliveries[this.frames.transport] += count;
    }
    this.sentTick = parts.wheel.tick;
    // The socket took all bytes immediately, so there is no flush to wait for.
    if (socket.writableLength === 0) return true;
    if (this.#blocked === undefined) this.markBlocked(batch.from);
    socket.write(NO_BYTES, () => this.markFlushed());
    return false;
  }

  /** The part of a batch to send: without the client's own events if it excluded them. */
  protected withoutOwnEvents(batch: Batch): RemainingFrames {
    const others = this.#ownEventMarker === undefined ? batch : withoutOwnEvents(batch, this.#ownEventMarker);
    if (others === batch && batch.count > 0) this.#clientPosition = batch.lastPosition;
    return others;
  }

  onCaughtUp(): void {}

  /** `bytesRead` reads the handle of the socket, and `writableLength` the state of its stream. */
  prefetch(): number {
    const { socket } = this;
    return this.sentTick + socket.writableLength + (socket.bytesRead ?? 0);
  }

  onFailed(error: PolycastError): void {
    this.parts.auth.logger.error(
      { code: error.code, transport: this.transport, error: error.cause },
      'sessions: session closed, reading the log failed',
    );
    this.#lastWords = 'failed';
    this.#endReason ??= 'failed';
    this.#applyInput('end');
  }

  /** Sends a control message. */
  send(bytes: string | Uint8Array): void {
    if (this.#phase === 'closed') return;
    // Text of a control message is ASCII, and Node writes that faster than UTF-8.
    this.socket.write(bytes, 'latin1');
    this.sentTick = this.parts.wheel.tick;
  }

  sendGap(gap: Gap, cursor: string = gap.to): void {
    this.parts.stats.gaps++;
    this.send(this.frames.gap(gap, cursor));
  }

  /**
   * The cursor from which the client would resume. While new channels catch up, it is at their
   * position.
   */
  cursor(position: Position = this.position): string {
    return encodeCursor(this.parts.feed.epoch, position);
  }

  drain(reconnectInMs: number, reason: 'drain' | 'ended' = 'drain'): void {
    this.#endReason ??= reason;
    this.#applyInput('drain', reconnectInMs);
  }

  disconnect(code: RevokedReason): void {
    this.end(this.frames.revoked(code), code);
  }

  destroy(reason: EndReason = 'drain'): void {
    this.#endReason ??= reason;
    this.socket.destroy();
  }

  onTimer(): void {
    if (this.frames.ignoresInput && (this.socket.bytesRead ?? 0) - this.#bytesReadBefore > IGNORED_BYTES_MAX)
      this.destroy('protocol');
    else {
      if (this.#expiresTick > 0) this.#adjustExpiry();
      this.#applyInput('tick');
    }
  }

  /** The socket is closed. Without a reason of the hub or its client, the network ended it. */
  onClose(): void {
    this.reader.close();
    this.activeReader.close();
    this.parts.wheel.cancel(this);
    this.parts.sessions.remove(this);
    this.#applyInput('gone');
  }

  #applyInput(input: SessionInput, reconnectInMs = 0): void {
    const { wheel, settings } = this.parts;
    const state = {
      phase: this.#phase,
      sentTick: this.sentTick,
      blockedTick: this.#blocked?.tick ?? 0,
      expiresTick: this.#expiresTick,
      warnTick: this.#warnTick,
    };
    const step = sessionTransition(state, input, wheel.tick, settings.session);
    this.#phase = step.phase;
    if (step.nextTicks > 0) wheel.schedule(this, step.nextTicks);
    switch (step.effect) {
      case 'none':
        return;
      case 'heartbeat':
        return this.#sendHeartbeat();
      case 'send_draining':
        this.send(this.frames.draining(reconnectInMs));
        return this.#closeSocket('drain');
      case 'send_expiring':
        this.#warnTick = 0;
        return renewCredentials(this.parts.auth, this);
      case 'close_expired':
        this.#endReason ??= 'token_expired';
        return this.#closeSocket(this.frames.revoked('token_expired'));
      case 'close_stalled':
        this.#endReason ??= 'stalled';
        this.parts.stats.stalled++;
        return this.#closeSocket('stalled');
      case 'close':
        return this.#closeSocket(this.#lastWords);
      case 'destroy':
        return this.destroy();
    }
  }

  /**
   * Sends a heartbeat. It carries a cursor if the reader has passed events that the client does not
   * receive.
   */
  #sendHeartbeat(): void {
    const { position } = this;
    const { keepAlive: alive, heartbeat } = this.frames;
    if (alive !== undefined && position === this.#clientPosition) return this.send(alive);
    this.#clientPosition = position;
    this.send(heartbeat(this.cursor(position)));
  }

  #scheduleExpiry(): void {
    const { expiresTick, warnTick } = expiryTicks(this.parts.auth, this.#principal);
    this.#expiresTick = expiresTick;
    this.#warnTick = warnTick;
    this.#applyInput('tick');
  }

  /**
   * Recomputes the expiry tick from the clock: the wheel may be behind it, a little more with each
   * tick.
   */
  #adjustExpiry(): void {
    const expiresTick = Math.max(1, this.parts.wheel.tick + ticksTo(this.parts.auth, this.#principal.expiresMs));
    if (this.#warnTick > 0) this.#warnTick = Math.max(1, this.#warnTick + expiresTick - this.#expiresTick);
    this.#expiresTick = expiresTick;
  }

  /** Warns the client that its credentials expire. Sends nothing once the session is closing. */
  sendExpiring(): void {
    if (this.#phase !== 'open') return;
    const inMs = Math.max(0, this.#principal.expiresMs - this.parts.auth.clock.nowMs());
    this.send(this.frames.expiring(inMs));
  }

  /** Ends the session; the given bytes are the last. */
  protected end(last: Uint8Array, reason: EndReason): void {
    if (this.#phase !== 'open') return;
    this.#lastWords = last;
    this.#endReason ??= reason;
    this.#applyInput('end');
  }

  /** Stops reading, sends the reason, and ends the socket after its bytes are written. */
  #closeSocket(reason: CloseReason | Uint8Array): void {
    this.reader.close();
    this.activeReader.close();
    const last = typeof reason === 'string' ? this.frames.closing(reason) : reason;
    if (last === undefined) this.socket.end();
    else this.socket.end(last);
  }

  /**
   * Marks the socket as blocked. The timer checks the session after the stalled time, if that is
   * before its next heartbeat.
   * @param from all events up to here were taken
   */
  protected markBlocked(from: Position = this.position): void {
    const { wheel, settings } = this.parts;
    this.#blocked = { tick: Math.max(1, wheel.tick), from };
    const { stalledTicks } = settings.session;
    if (this.#phase === 'open' && this.dueTick > wheel.tick + stalledTicks) wheel.schedule(this, stalledTicks);
  }

  protected markFlushed(): void {
    // A destroyed socket also calls back, before its event `close`. The next batch would be framed
    // for a client that has gone.
    if (this.socket.destroyed) return;
    this.#blocked = undefined;
    this.activeReader.onFlushed();
  }

  /**
   * Sends the gap of a batch. The resume cursor moves past the gap only if the batch has no events
   * left to send.
   */
  protected sendBatchGap({ from, gapThrough, gapReason, reached, count }: Batch): void {
    this.#gaps = withRange(this.#gaps, [from, gapThrough]);
    const gap: Gap = { from: this.cursor(from), to: this.cursor(gapThrough), reason: gapReason };
    this.sendGap(gap, this.cursor(count > 0 ? from : reached));
  }
}
