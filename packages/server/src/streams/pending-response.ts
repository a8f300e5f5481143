import type { ServerResponse } from 'node:http';
import type { Principal } from '../core/access/principal.ts';
import type { Reader } from '../core/reader.ts';
import { TICK_MS, ticksOf, type WheelTimer } from '../core/primitives/timing-wheel.ts';
import type { Position } from '../core/ports.ts';
import { ticksUntil } from '../auth/expiry.ts';
import type { Services, TransportName } from '../http/services.ts';
import type { Session } from '../auth/sessions.ts';

/** Whose answer it is, and where that client is if not at the other end of the socket. */
export interface ResponseOwner {
  readonly principal: Principal;
  readonly address: string | undefined;
}

/** An answer that waits for something to say: a session as long as it does. */
export abstract class PendingResponse implements WheelTimer, Session {
  protected readonly services: Services;
  protected readonly response: ServerResponse;
  protected abstract readonly reader: Reader;
  abstract readonly transport: TransportName;
  readonly principal: Principal;
  readonly #address: string | undefined;
  readonly #sinceTick: number;
  #id: string | undefined = undefined;
  registryIndex = -1;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(services: Services, response: ServerResponse, { principal, address }: ResponseOwner) {
    this.services = services;
    this.response = response;
    this.principal = principal;
    this.#address = address;
    this.#sinceTick = services.wheel.tick;
  }

  /** Made when first asked for: its client is never told. */
  get id(): string {
    return (this.#id ??= this.services.random.token());
  }

  get channels(): readonly string[] {
    return this.reader.interest.patterns;
  }

  get position(): Position {
    return this.reader.position;
  }

  get sinceMs(): number {
    const { clock, wheel } = this.services;
    return clock.nowMs() - (wheel.tick - this.#sinceTick) * TICK_MS;
  }

  get address(): string {
    return this.#address ?? this.response.socket?.remoteAddress ?? '';
  }

  /** What is given when there is nothing more to wait for. */
  abstract onTimer(): void;

  /** Given early: the client comes back with its cursor. */
  drain(): void {
    this.response.shouldKeepAlive = false;
    this.onTimer();
  }

  /** Given early, with what there is: the next request is told why. */
  disconnect(): void {
    this.onTimer();
  }

  destroy(): void {
    this.response.destroy();
  }

  /**
   * To be the first thing: from here on it is a session. False where the client has gone while its request was looked at: then `close`
   * has been already, and nothing would end the wait before its time.
   */
  protected begin(): boolean {
    if (this.response.destroyed) return false;
    this.services.sessions.add(this);
    return true;
  }

  /** Waits for so long, and no longer than its standing lasts. */
  protected scheduleTimeout(seconds: number): void {
    const waitTicks = ticksOf(seconds * 1000);
    const { expiresMs } = this.principal;
    this.services.wheel.schedule(
      this,
      expiresMs === Infinity ? waitTicks : Math.min(waitTicks, ticksUntil(this.services, expiresMs)),
    );
  }
}
