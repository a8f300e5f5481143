import { encodeCursor, type Framing, type Gap, type PolycastError } from '@polycast/protocol';
import type { Batch } from '../core/events/batch.ts';
import { withoutOwnEvents, type RemainingFrames } from '../core/events/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { sessionTransition, type SessionInput, type SessionPhase } from '../core/session.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/access/principal.ts';
import { TICK_MS, type WheelTimer } from '../core/primitives/timing-wheel.ts';
import { ownEventMarker } from '../auth/author.ts';
import type { Consumer } from './consumer.ts';
import type { ErrorSafe } from '../http/sockets/error-safe-socket.ts';
import { credentialsError } from '../auth/permission.ts';
import { expiryTicks, renewCredentials, allowedChannels, ticksTo } from '../auth/expiry.ts';
import type { Services, TransportName } from '../http/services.ts';
import type { RevokedReason, Session } from '../auth/sessions.ts';

/** How a streaming transport words its control messages. One object for all of its sessions. */
export interface ControlFrames {
  readonly transport: TransportName;
  readonly framing: Framing;
  readonly heartbeat: (cursor: string) => string | Uint8Array;
  /** A heartbeat that says nothing, for where the cursor is what the client knows already; without it, it is said again. */
  readonly keepAlive?: Uint8Array;
  /** @param cursor where the client would resume from now on */
  readonly gap: (gap: Gap, cursor: string) => string | Uint8Array;
  readonly draining: (reconnectInMs: number) => string | Uint8Array;
  readonly expiring: (inMs: number) => string | Uint8Array;
  /** The last bytes of a session whose client may no longer be here. */
  readonly revoked: (code: RevokedReason) => Uint8Array;
  /** The last bytes before the socket is ended. */
  readonly closing: (reason: CloseReason) => string | Uint8Array | undefined;
}

export type CloseReason = 'drain' | 'stalled' | 'failed';

/** A socket that knows its session, so that its listeners can be shared by all sockets. */
export type SessionSocket = ErrorSafe & {
  [SESSION]?: StreamSession | undefined;
};

const SESSION: unique symbol = Symbol('session');
const NO_BYTES = Buffer.alloc(0);
/** What a client may send on a stream that takes nothing, in bytes. */
const IGNORED_BYTES_MAX = 64 * 1024;

/**
 * A live client on one socket: writes what its reader gives it, at most one batch at a time, says that it is alive, and
 * leaves when told. What it is given next is the reader's affair.
 */
export class StreamSession implements Sink, WheelTimer, Session {
  protected readonly services: Services;
  protected readonly frames: ControlFrames;
  protected readonly socket: SessionSocket;
  readonly id: string;
  readonly reader: Reader;
  /** Whose batch may be in flight: the reader's, or that of channels catching up with it. */
  protected activeReader: Reader;
  registryIndex = -1;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  #phase: SessionPhase = 'open';
  /** When something was last sent: after the heartbeat's time it is due again. */
  protected sentTick = 0;
  /** The client knows this place by an event or a control message: it resumes from here, or farther on. */
  #clientPosition: Position = 0;
  #blockedTick = 0;
  #principal: Principal;
  #expiresTick = 0;
  #warnTick = 0;
  readonly #sinceTick: number;
  /** `undefined` for that of the socket. */
  readonly #address: string | undefined;
  readonly #client: string | undefined;
  /** How its own events name it, if those are left out. */
  #ownEventMarker: string | undefined = undefined;
  /** Of the connection, which may have served other requests before. */
  readonly #bytesReadBefore: number;
  #lastWords: CloseReason | Uint8Array = 'drain';

  constructor(services: Services, wording: ControlFrames, socket: ErrorSafe, consumer: Consumer) {
    this.services = services;
    this.frames = wording;
    this.socket = socket;
    this.id = services.random.token();
    this.#principal = consumer.principal;
    this.#address = consumer.address;
    this.#client = consumer.client;
    if (consumer.excludesSelf) this.#ownEventMarker = ownEventMarker(this.#principal, this.origin);
    this.#sinceTick = services.wheel.tick;
    this.reader = new Reader(services.feed, this, consumer.interest, wording.framing, consumer.position);
    this.reader.suppressGapThrough(consumer.suppressGapThrough);
    this.activeReader = this.reader;
    this.#bytesReadBefore = socket.bytesRead;
    this.socket[SESSION] = this;
  }

  get transport(): TransportName {
    return this.frames.transport;
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

  get position(): Position {
    return Math.min(this.reader.position, this.activeReader.position);
  }

  get sinceMs(): number {
    const { clock, wheel } = this.services;
    return clock.nowMs() - (wheel.tick - this.#sinceTick) * TICK_MS;
  }

  get address(): string {
    return this.#address ?? this.socket.remoteAddress ?? '';
  }

  /** What its events say of where they come from. */
  get origin(): string {
    return this.#client ?? this.id;
  }

  /** Whether its events have to say so, whoever it is. */
  get hasExplicitOrigin(): boolean {
    return this.#client !== undefined || this.#ownEventMarker !== undefined;
  }

  /** Sends the opening words and begins to read. */
  open(opening: string | Uint8Array): void {
    const { socket, services } = this;
    socket.on('close', onSocketClose);
    socket.on('end', onSocketEnd);
    services.sessions.add(this);
    this.#clientPosition = this.reader.position;
    this.send(opening);
    if (this.#principal.expiresMs === Infinity) services.wheel.schedule(this, services.settings.session.heartbeatTicks);
    else this.#scheduleExpiry();
    this.reader.start();
  }

  /**
   * The hub itself has found out how its standing goes on. What is no longer allowed ends it: a stream has its channels from its
   * request, and the next one is told which of them it is.
   */
  async applyRenewal(principal: Principal): Promise<void> {
    const before = this.channels;
    const allowed = await allowedChannels(this.services, principal, before);
    if (credentialsError(this.services, principal) !== undefined) this.disconnect('unauthorized');
    else if (allowed.length < before.length) this.disconnect('forbidden');
    else this.replacePrincipal(principal);
  }

  /** From now on it stands on other credentials of the same user, or on the first ones. */
  replacePrincipal(principal: Principal): void {
    const before = { principal: this.#principal, channels: this.channels };
    this.#principal = principal;
    if (this.#ownEventMarker !== undefined) this.#ownEventMarker = ownEventMarker(principal, this.origin);
    this.services.sessions.changed(this, before);
    if (this.#phase === 'open') this.#scheduleExpiry();
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    const { socket, services } = this;
    if (tellGap) this.sendBatchGap(batch);
    const { bytes, count } = this.withoutOwnEvents(batch);
    if (count > 0) {
      socket.write(bytes);
      services.stats.deliveries[this.frames.transport] += count;
    }
    this.sentTick = services.wheel.tick;
    // A socket that took all at once has nothing left to tell of.
    if (socket.writableLength === 0) return true;
    if (this.#blockedTick === 0) this.markBlocked();
    socket.write(NO_BYTES, () => this.markFlushed());
    return false;
  }

  /** What of a batch is sent. */
  protected withoutOwnEvents(batch: Batch): RemainingFrames {
    const others = this.#ownEventMarker === undefined ? batch : withoutOwnEvents(batch, this.#ownEventMarker);
    if (others === batch && batch.count > 0) this.#clientPosition = batch.lastPosition;
    return others;
  }

  onCaughtUp(): void {}

  onFailed(error: PolycastError): void {
    this.services.logger.error(
      { code: error.code, transport: this.transport },
      'a session ended: the log could not be read',
    );
    this.#lastWords = 'failed';
    this.#applyInput('end');
  }

  /** A control message. */
  send(bytes: string | Uint8Array): void {
    if (this.#phase === 'closed') return;
    this.socket.write(bytes);
    this.sentTick = this.services.wheel.tick;
  }

  /** Sends what may be much; resolves once the socket has taken it, or is gone. Whoever takes nothing for too long is stalled as ever. */
  async sendAndWait(bytes: Uint8Array): Promise<void> {
    this.send(bytes);
    const { socket } = this;
    if (socket.writableLength === 0) return;
    do {
      this.markBlocked();
      await new Promise<void>((taken) => socket.write(NO_BYTES, () => taken()));
    } while (socket.writableLength > 0 && !socket.destroyed);
    this.markFlushed();
  }

  sendGap(gap: Gap, cursor: string = gap.to): void {
    this.services.stats.gaps++;
    this.send(this.frames.gap(gap, cursor));
  }

  /** Where the client would resume; while channels catch up, where those are. */
  cursor(position: Position = this.position): string {
    return encodeCursor(this.services.feed.epoch, position);
  }

  drain(reconnectInMs: number): void {
    this.#reconnectInMs = reconnectInMs;
    this.#applyInput('drain');
  }

  disconnect(code: RevokedReason): void {
    this.end(this.frames.revoked(code));
  }

  destroy(): void {
    this.socket.destroy();
  }

  onTimer(): void {
    if (this.transport === 'sse' && this.socket.bytesRead - this.#bytesReadBefore > IGNORED_BYTES_MAX) this.destroy();
    else {
      if (this.#expiresTick > 0) this.#adjustExpiry();
      this.#applyInput('tick');
    }
  }

  /** The socket is gone. */
  onClose(): void {
    this.reader.close();
    this.activeReader.close();
    this.services.wheel.cancel(this);
    this.services.sessions.remove(this);
    this.#applyInput('gone');
  }

  #reconnectInMs = 0;

  #applyInput(input: SessionInput): void {
    const { wheel, settings } = this.services;
    const state = {
      phase: this.#phase,
      sentTick: this.sentTick,
      blockedTick: this.#blockedTick,
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
        this.send(this.frames.draining(this.#reconnectInMs));
        return this.#closeSocket('drain');
      case 'send_expiring':
        this.#warnTick = 0;
        return renewCredentials(this.services, this);
      case 'close_expired':
        return this.#closeSocket(this.frames.revoked('token_expired'));
      case 'close_stalled':
        this.services.stats.stalled++;
        return this.#closeSocket('stalled');
      case 'close':
        return this.#closeSocket(this.#lastWords);
      case 'destroy':
        return this.destroy();
    }
  }

  /** Says that the hub is there; and where the client would resume, if it has read past events that it does not get. */
  #sendHeartbeat(): void {
    const { position } = this;
    const { keepAlive: alive, heartbeat } = this.frames;
    if (alive !== undefined && position === this.#clientPosition) return this.send(alive);
    this.#clientPosition = position;
    this.send(heartbeat(this.cursor(position)));
  }

  #scheduleExpiry(): void {
    const { expiresTick, warnTick } = expiryTicks(this.services, this.#principal);
    this.#expiresTick = expiresTick;
    this.#warnTick = warnTick;
    this.#applyInput('tick');
  }

  /** The wheel may be behind the clock, a little more with each turn. */
  #adjustExpiry(): void {
    const expiresTick = Math.max(1, this.services.wheel.tick + ticksTo(this.services, this.#principal.expiresMs));
    if (this.#warnTick > 0) this.#warnTick = Math.max(1, this.#warnTick + expiresTick - this.#expiresTick);
    this.#expiresTick = expiresTick;
  }

  /** Tells the client that its standing ends, unless it need not know. */
  sendExpiring(): void {
    if (this.#phase !== 'open') return;
    const inMs = Math.max(0, this.#principal.expiresMs - this.services.clock.nowMs());
    this.send(this.frames.expiring(inMs));
  }

  /** Ends the session with bytes of its own. */
  protected end(last: Uint8Array): void {
    if (this.#phase !== 'open') return;
    this.#lastWords = last;
    this.#applyInput('end');
  }

  /** Reads no more, says why, and ends the socket once its bytes are out. */
  #closeSocket(reason: CloseReason | Uint8Array): void {
    this.reader.close();
    this.activeReader.close();
    const last = typeof reason === 'string' ? this.frames.closing(reason) : reason;
    if (last === undefined) this.socket.end();
    else this.socket.end(last);
  }

  /** From now on it takes nothing; it is looked at when that has lasted too long, if that is before its heartbeat. */
  protected markBlocked(): void {
    const { wheel, settings } = this.services;
    this.#blockedTick = Math.max(1, wheel.tick);
    const { stalledTicks } = settings.session;
    if (this.#phase === 'open' && this.dueTick > wheel.tick + stalledTicks) wheel.schedule(this, stalledTicks);
  }

  protected markFlushed(): void {
    // A socket that is gone calls back as well, before it says `close`: all that is to come would be framed for nobody.
    if (this.socket.destroyed) return;
    this.#blockedTick = 0;
    this.activeReader.onFlushed();
  }

  /** Where the client would resume moves past the gap only when nothing that is left of it is still to come. */
  protected sendBatchGap({ from, gapThrough, gapReason, reached, count }: Batch): void {
    const gap: Gap = { from: this.cursor(from), to: this.cursor(gapThrough), reason: gapReason };
    this.sendGap(gap, this.cursor(count > 0 ? from : reached));
  }
}

function onSocketClose(this: SessionSocket): void {
  const session = this[SESSION];
  this[SESSION] = undefined;
  session?.onClose();
}

/** The client has closed its side; half-open connections are of no use to a stream. */
function onSocketEnd(this: SessionSocket): void {
  this.destroy();
}

export function sessionOf(socket: SessionSocket): StreamSession | undefined {
  return socket[SESSION];
}
