import { encodeCursor, type Framing, type Gap, type PolycastError } from '@polycast/protocol';
import type { Batch } from '../core/batch.ts';
import { withoutOwn, type Others } from '../core/own-events.ts';
import { Reader, type Sink } from '../core/reader.ts';
import { stepSession, type SessionInput, type SessionPhase } from '../core/session.ts';
import type { Position } from '../core/ports.ts';
import type { Principal } from '../core/principal.ts';
import { TICK_MS, type Timed } from '../core/wheel.ts';
import { markOf } from './author.ts';
import type { Consumer } from './consumer.ts';
import type { Owned } from './owned-socket.ts';
import { standingOf } from './permission.ts';
import { expiryOf, renew, stillAllowed, ticksTo } from './expiry.ts';
import type { Services, TransportName } from './services.ts';
import type { Dismissal, Session } from './sessions.ts';

/** How a streaming transport words its control messages. One object for all of its sessions. */
export interface Wording {
  readonly transport: TransportName;
  readonly framing: Framing;
  readonly heartbeat: (cursor: string) => string | Uint8Array;
  /** A heartbeat that says nothing, for where the cursor is what the client knows already; without it, it is said again. */
  readonly alive?: Uint8Array;
  /** @param cursor where the client would resume from now on */
  readonly gap: (gap: Gap, cursor: string) => string | Uint8Array;
  readonly draining: (reconnectInMs: number) => string | Uint8Array;
  readonly expiring: (inMs: number) => string | Uint8Array;
  /** The last bytes of a session whose client may no longer be here. */
  readonly dismissal: (code: Dismissal) => Uint8Array;
  /** The last bytes before the socket is ended. */
  readonly farewell: (why: Farewell) => string | Uint8Array | undefined;
}

export type Farewell = 'drain' | 'stalled' | 'failed';

/** A socket that knows its session, so that its listeners can be shared by all sockets. */
export type SessionSocket = Owned & {
  [SESSION]?: StreamSession | undefined;
};

const SESSION: unique symbol = Symbol('session');
const NO_BYTES = Buffer.alloc(0);
/** What a client may send on a stream that takes nothing, in bytes. */
const IDLE_BYTES_MAX = 64 * 1024;

/**
 * A live client on one socket: writes what its reader gives it, at most one batch at a time, says that it is alive, and
 * leaves when told. What it is given next is the reader's affair.
 */
export class StreamSession implements Sink, Timed, Session {
  protected readonly services: Services;
  protected readonly wording: Wording;
  protected readonly socket: SessionSocket;
  readonly id: string;
  readonly reader: Reader;
  /** Whose batch may be in flight: the reader's, or that of channels catching up with it. */
  protected active: Reader;
  registryIndex = -1;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;
  #phase: SessionPhase = 'open';
  /** When something was last sent: after the heartbeat's time it is due again. */
  protected sentTick = 0;
  /** The client knows this place by an event or a control message: it resumes from here, or farther on. */
  #knownPosition: Position = 0;
  #blockedTick = 0;
  #principal: Principal;
  #expiresTick = 0;
  #warnTick = 0;
  readonly #sinceTick: number;
  /** `undefined` for that of the socket. */
  readonly #address: string | undefined;
  readonly #client: string | undefined;
  /** How its own events name it, if those are left out. */
  #ownMark: string | undefined = undefined;
  /** Of the connection, which may have served other requests before. */
  readonly #readBefore: number;
  #farewell: Farewell | Uint8Array = 'drain';

  constructor(services: Services, wording: Wording, socket: Owned, consumer: Consumer) {
    this.services = services;
    this.wording = wording;
    this.socket = socket;
    this.id = services.random.token();
    this.#principal = consumer.principal;
    this.#address = consumer.address;
    this.#client = consumer.client;
    if (consumer.excludesSelf) this.#ownMark = markOf(this.#principal, this.origin);
    this.#sinceTick = services.wheel.tick;
    this.reader = new Reader(services.feed, this, consumer.interest, wording.framing, consumer.position);
    this.reader.excuse(consumer.excusedThrough);
    this.active = this.reader;
    this.#readBefore = socket.bytesRead;
    this.socket[SESSION] = this;
  }

  get transport(): TransportName {
    return this.wording.transport;
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
    return Math.min(this.reader.position, this.active.position);
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
  get isNamed(): boolean {
    return this.#client !== undefined || this.#ownMark !== undefined;
  }

  /** Sends the opening words and begins to read. */
  open(opening: string | Uint8Array): void {
    const { socket, services } = this;
    socket.on('close', onClose);
    socket.on('end', onEnd);
    services.sessions.add(this);
    this.#knownPosition = this.reader.position;
    this.send(opening);
    if (this.#principal.expiresMs === Infinity) services.wheel.schedule(this, services.settings.session.heartbeatTicks);
    else this.#heedExpiry();
    this.reader.start();
  }

  /**
   * The hub itself has found out how its standing goes on. What is no longer allowed ends it: a stream has its channels from its
   * request, and the next one is told which of them it is.
   */
  async renewed(principal: Principal): Promise<void> {
    const before = this.channels;
    const allowed = await stillAllowed(this.services, principal, before);
    if (standingOf(this.services, principal) !== undefined) this.dismiss('unauthorized');
    else if (allowed.length < before.length) this.dismiss('forbidden');
    else this.assume(principal);
  }

  /** From now on it stands on other credentials of the same user, or on the first ones. */
  assume(principal: Principal): void {
    const before = { principal: this.#principal, channels: this.channels };
    this.#principal = principal;
    if (this.#ownMark !== undefined) this.#ownMark = markOf(principal, this.origin);
    this.services.sessions.changed(this, before);
    if (this.#phase === 'open') this.#heedExpiry();
  }

  deliver(batch: Batch, tellGap: boolean): boolean {
    const { socket, services } = this;
    if (tellGap) this.tellGap(batch);
    const { bytes, count } = this.toSend(batch);
    if (count > 0) {
      socket.write(bytes);
      services.figures.deliveries[this.wording.transport] += count;
    }
    this.sentTick = services.wheel.tick;
    // A socket that took all at once has nothing left to tell of.
    if (socket.writableLength === 0) return true;
    if (this.#blockedTick === 0) this.block();
    socket.write(NO_BYTES, () => this.flushed());
    return false;
  }

  /** What of a batch is sent. */
  protected toSend(batch: Batch): Others {
    const others = this.#ownMark === undefined ? batch : withoutOwn(batch, this.#ownMark);
    if (others === batch && batch.count > 0) this.#knownPosition = batch.last;
    return others;
  }

  caughtUp(): void {}

  failed(error: PolycastError): void {
    this.services.logger.error(
      { code: error.code, transport: this.transport },
      'a session ended: the log could not be read',
    );
    this.#farewell = 'failed';
    this.#step('end');
  }

  /** A control message. */
  send(bytes: string | Uint8Array): void {
    if (this.#phase === 'closed') return;
    this.socket.write(bytes);
    this.sentTick = this.services.wheel.tick;
  }

  /** Sends what may be much; resolves once the socket has taken it, or is gone. Whoever takes nothing for too long is stalled as ever. */
  async sendAll(bytes: Uint8Array): Promise<void> {
    this.send(bytes);
    const { socket } = this;
    if (socket.writableLength === 0) return;
    do {
      this.block();
      await new Promise<void>((taken) => socket.write(NO_BYTES, () => taken()));
    } while (socket.writableLength > 0 && !socket.destroyed);
    this.flushed();
  }

  sendGap(gap: Gap, cursor: string = gap.to): void {
    this.services.figures.gaps++;
    this.send(this.wording.gap(gap, cursor));
  }

  /** Where the client would resume; while channels catch up, where those are. */
  cursor(position: Position = this.position): string {
    return encodeCursor(this.services.feed.epoch, position);
  }

  drain(reconnectInMs: number): void {
    this.#reconnectInMs = reconnectInMs;
    this.#step('drain');
  }

  dismiss(code: Dismissal): void {
    this.end(this.wording.dismissal(code));
  }

  destroy(): void {
    this.socket.destroy();
  }

  due(): void {
    if (this.transport === 'sse' && this.socket.bytesRead - this.#readBefore > IDLE_BYTES_MAX) this.destroy();
    else {
      if (this.#expiresTick > 0) this.#followClock();
      this.#step('tick');
    }
  }

  /** The socket is gone. */
  gone(): void {
    this.reader.close();
    this.active.close();
    this.services.wheel.cancel(this);
    this.services.sessions.remove(this);
    this.#step('gone');
  }

  #reconnectInMs = 0;

  #step(input: SessionInput): void {
    const { wheel, settings } = this.services;
    const state = {
      phase: this.#phase,
      sentTick: this.sentTick,
      blockedTick: this.#blockedTick,
      expiresTick: this.#expiresTick,
      warnTick: this.#warnTick,
    };
    const step = stepSession(state, input, wheel.tick, settings.session);
    this.#phase = step.phase;
    if (step.nextTicks > 0) wheel.schedule(this, step.nextTicks);
    switch (step.effect) {
      case 'none':
        return;
      case 'heartbeat':
        return this.#beat();
      case 'say_draining':
        this.send(this.wording.draining(this.#reconnectInMs));
        return this.#leave('drain');
      case 'say_expiring':
        this.#warnTick = 0;
        return renew(this.services, this);
      case 'close_expired':
        return this.#leave(this.wording.dismissal('token_expired'));
      case 'close_stalled':
        this.services.figures.stalled++;
        return this.#leave('stalled');
      case 'close':
        return this.#leave(this.#farewell);
      case 'destroy':
        return this.destroy();
    }
  }

  /** Says that the hub is there; and where the client would resume, if it has read past events that it does not get. */
  #beat(): void {
    const { position } = this;
    const { alive, heartbeat } = this.wording;
    if (alive !== undefined && position === this.#knownPosition) return this.send(alive);
    this.#knownPosition = position;
    this.send(heartbeat(this.cursor(position)));
  }

  #heedExpiry(): void {
    const { expiresTick, warnTick } = expiryOf(this.services, this.#principal);
    this.#expiresTick = expiresTick;
    this.#warnTick = warnTick;
    this.#step('tick');
  }

  /** The wheel may be behind the clock, a little more with each turn. */
  #followClock(): void {
    const expiresTick = Math.max(1, this.services.wheel.tick + ticksTo(this.services, this.#principal.expiresMs));
    if (this.#warnTick > 0) this.#warnTick = Math.max(1, this.#warnTick + expiresTick - this.#expiresTick);
    this.#expiresTick = expiresTick;
  }

  /** Tells the client that its standing ends, unless it need not know. */
  sayExpiring(): void {
    if (this.#phase !== 'open') return;
    const inMs = Math.max(0, this.#principal.expiresMs - this.services.clock.nowMs());
    this.send(this.wording.expiring(inMs));
  }

  /** Ends the session with bytes of its own. */
  protected end(last: Uint8Array): void {
    if (this.#phase !== 'open') return;
    this.#farewell = last;
    this.#step('end');
  }

  /** Reads no more, says why, and ends the socket once its bytes are out. */
  #leave(why: Farewell | Uint8Array): void {
    this.reader.close();
    this.active.close();
    const last = typeof why === 'string' ? this.wording.farewell(why) : why;
    if (last === undefined) this.socket.end();
    else this.socket.end(last);
  }

  /** From now on it takes nothing; it is looked at when that has lasted too long, if that is before its heartbeat. */
  protected block(): void {
    const { wheel, settings } = this.services;
    this.#blockedTick = Math.max(1, wheel.tick);
    const { stalledTicks } = settings.session;
    if (this.#phase === 'open' && this.dueTick > wheel.tick + stalledTicks) wheel.schedule(this, stalledTicks);
  }

  protected flushed(): void {
    // A socket that is gone calls back as well, before it says `close`: all that is to come would be framed for nobody.
    if (this.socket.destroyed) return;
    this.#blockedTick = 0;
    this.active.flushed();
  }

  /** Where the client would resume moves past the gap only when nothing that is left of it is still to come. */
  protected tellGap({ from, gapThrough, gapReason, reached, count }: Batch): void {
    const gap: Gap = { from: this.cursor(from), to: this.cursor(gapThrough), reason: gapReason };
    this.sendGap(gap, this.cursor(count > 0 ? from : reached));
  }
}

function onClose(this: SessionSocket): void {
  const session = this[SESSION];
  this[SESSION] = undefined;
  session?.gone();
}

/** The client has closed its side; half-open connections are of no use to a stream. */
function onEnd(this: SessionSocket): void {
  this.destroy();
}

export function sessionOf(socket: SessionSocket): StreamSession | undefined {
  return socket[SESSION];
}
