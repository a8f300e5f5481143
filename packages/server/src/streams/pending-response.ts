import type { TransportName } from '@polycast/protocol';
import type { ServerResponse } from 'node:http';
import type { Principal } from '../core/access/principal.ts';
import type { Reader } from '../core/reader.ts';
import { ticksOf, type WheelTimer } from '../core/primitives/timing-wheel.ts';
import type { Position } from '../core/ports.ts';
import { ticksUntil } from '../auth/expiry.ts';
import { closeAfter } from '../http/sockets/closing-connections.ts';
import type { SessionParts } from './stream-parts.ts';
import type { Session } from '../auth/sessions.ts';

/** The principal of a response, and the client's address if the socket does not give it. */
export interface ResponseOwner {
  readonly principal: Principal;
  readonly address: string | undefined;
}

/** A response that waits for an event. It is a session while it waits. Example: a long poll. */
export abstract class PendingResponse<Parts extends SessionParts = SessionParts> implements WheelTimer, Session {
  protected readonly parts: Parts;
  protected readonly response: ServerResponse;
  protected abstract readonly reader: Reader;
  abstract readonly transport: TransportName;
  readonly principal: Principal;
  readonly #address: string | undefined;
  readonly sinceMs: number;
  #id: string | undefined = undefined;
  registryIndex = -1;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(parts: Parts, response: ServerResponse, { principal, address }: ResponseOwner) {
    this.parts = parts;
    this.response = response;
    this.principal = principal;
    this.#address = address;
    this.sinceMs = parts.auth.clock.nowMs();
  }

  /** Generated on first use: the client never receives it. */
  get id(): string {
    return (this.#id ??= this.parts.sessions.createId());
  }

  get isMomentary(): boolean {
    return false;
  }

  get channels(): readonly string[] {
    return this.reader.interest.patterns;
  }

  get position(): Position {
    return this.reader.position;
  }

  get address(): string {
    return this.#address ?? this.response.socket?.remoteAddress ?? '';
  }

  /** The wait is over: completes the response. */
  abstract onTimer(): void;

  /** Completes the response early. The client reconnects with its cursor. */
  drain(): void {
    closeAfter(this.response);
    this.onTimer();
  }

  /** Completes the response early with the events so far. The next request receives the error. */
  disconnect(): void {
    this.onTimer();
  }

  destroy(): void {
    this.response.destroy();
  }

  /**
   * Registers the session; call it before anything else. Returns `false` if the client disconnected
   * earlier: its event `close` is over, and only the timeout would end the wait.
   */
  protected begin(): boolean {
    if (this.response.destroyed) return false;
    this.parts.sessions.add(this);
    return true;
  }

  /** Schedules the end of the wait, at the latest when the credentials expire. */
  protected scheduleTimeout(seconds: number): void {
    const waitTicks = ticksOf(seconds * 1000);
    const { expiresMs } = this.principal;
    this.parts.wheel.schedule(
      this,
      expiresMs === Infinity ? waitTicks : Math.min(waitTicks, ticksUntil(this.parts.auth, expiresMs)),
    );
  }
}
