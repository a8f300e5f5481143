import type { Socket } from 'node:net';
import type { EventsQuery } from './events-query.ts';
import { ticksOf, type Timed, type Wheel } from '../core/wheel.ts';

/**
 * Closes connections that nobody uses between requests. Node's own time-out makes and clears a timer for each request, which
 * is a thirtieth of a short poll; here a request only leaves a note, and the wheel looks once a period.
 */
export class KeepAlive {
  readonly #wheel: Wheel;
  readonly #periodTicks: number;

  /** @param idleMs how long a connection is kept at least; it goes before twice that */
  constructor(wheel: Wheel, idleMs: number) {
    this.#wheel = wheel;
    this.#periodTicks = ticksOf(idleMs);
  }

  /** Watches over a new connection. */
  watch(socket: KeptSocket): void {
    const kept = new KeptConnection(this.#wheel, socket, this.#periodTicks);
    socket[KEPT] = kept;
    this.#wheel.schedule(kept, this.#periodTicks);
    socket.on('close', release);
  }
}

/** Notes that a request has come. What is known of its connection, unless somebody else has taken it over. */
export function noteRequest(socket: KeptSocket): KeptConnection | undefined {
  const kept = socket[KEPT];
  if (kept !== undefined) kept.isUnused = false;
  return kept;
}

/** From now on somebody else says when this connection ends: it has become a stream. */
export function releaseKept(socket: KeptSocket): void {
  socket.removeListener('close', release);
  release.call(socket);
}

const KEPT: unique symbol = Symbol('kept');

interface KeptSocket extends Socket {
  [KEPT]?: KeptConnection | undefined;
  /** The answer that is under way; Node's own note. */
  _httpMessage?: { readonly finished: boolean } | null;
}

export class KeptConnection implements Timed {
  readonly wheel: Wheel;
  readonly #socket: KeptSocket;
  readonly #periodTicks: number;
  /** No request has come since the wheel last looked. */
  isUnused = false;
  /** What was asked last: who polls asks the same again. */
  lastQuery: EventsQuery | undefined = undefined;
  /** An answer that was ending when the wheel last looked. */
  #lost: KeptSocket['_httpMessage'] = undefined;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(wheel: Wheel, socket: KeptSocket, periodTicks: number) {
    this.wheel = wheel;
    this.#socket = socket;
    this.#periodTicks = periodTicks;
  }

  due(): void {
    const answer = this.#socket._httpMessage ?? undefined;
    const isAnswering = answer !== undefined;
    if (isAnswering ? answer === this.#lost : this.isUnused) {
      this.#socket.destroy();
      return;
    }
    this.isUnused = !isAnswering;
    this.#lost = isAnswering && this.#isEnding(answer) ? answer : undefined;
    this.wheel.schedule(this, this.#periodTicks);
  }

  /**
   * Nothing more comes and little is left to be taken. Over TLS a write is never done when its client broke off in certain ways: neither
   * it nor the connection would end. What is longer is watched over by `UnreadAnswers`.
   */
  #isEnding({ finished }: NonNullable<KeptSocket['_httpMessage']>): boolean {
    const { readableEnded, writableLength, writableHighWaterMark } = this.#socket;
    return finished && readableEnded && writableLength <= writableHighWaterMark;
  }
}

function release(this: KeptSocket): void {
  const kept = this[KEPT];
  if (kept === undefined) return;
  this[KEPT] = undefined;
  kept.wheel.cancel(kept);
}
