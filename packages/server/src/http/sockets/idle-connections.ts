import type { Socket } from 'node:net';
import type { EventsQuery } from '../../streams/events-query.ts';
import { ticksOf, type WheelTimer, type TimingWheel } from '../../core/primitives/timing-wheel.ts';

/**
 * Closes connections that nobody uses between requests. Node's own time-out makes and clears a timer for each request, which
 * is a thirtieth of a short poll; here a request only leaves a note, and the wheel looks once a period.
 */
export class IdleConnections {
  readonly #wheel: TimingWheel;
  readonly #periodTicks: number;

  /** @param idleMs how long a connection is kept at least; it goes before twice that */
  constructor(wheel: TimingWheel, idleMs: number) {
    this.#wheel = wheel;
    this.#periodTicks = ticksOf(idleMs);
  }

  /** Watches over a new connection. */
  track(socket: TrackedSocket): void {
    const tracker = new IdleTracker(this.#wheel, socket, this.#periodTicks);
    socket[TRACKER] = tracker;
    this.#wheel.schedule(tracker, this.#periodTicks);
    socket.on('close', detachTracker);
  }
}

/** Notes that a request has come. What is known of its connection, unless somebody else has taken it over. */
export function markUsed(socket: TrackedSocket): IdleTracker | undefined {
  const tracker = socket[TRACKER];
  if (tracker !== undefined) tracker.isIdle = false;
  return tracker;
}

/** From now on somebody else says when this connection ends: it has become a stream. */
export function stopTracking(socket: TrackedSocket): void {
  socket.removeListener('close', detachTracker);
  detachTracker.call(socket);
}

const TRACKER: unique symbol = Symbol('kept');

interface TrackedSocket extends Socket {
  [TRACKER]?: IdleTracker | undefined;
  /** The answer that is under way; Node's own note. */
  _httpMessage?: { readonly finished: boolean } | null;
}

export class IdleTracker implements WheelTimer {
  readonly wheel: TimingWheel;
  readonly #socket: TrackedSocket;
  readonly #periodTicks: number;
  /** No request has come since the wheel last looked. */
  isIdle = false;
  /** What was asked last: who polls asks the same again. */
  lastQuery: EventsQuery | undefined = undefined;
  /** An answer that was ending when the wheel last looked. */
  #lost: TrackedSocket['_httpMessage'] = undefined;
  dueTick = 0;
  placedTick = 0;
  placedIndex = 0;

  constructor(wheel: TimingWheel, socket: TrackedSocket, periodTicks: number) {
    this.wheel = wheel;
    this.#socket = socket;
    this.#periodTicks = periodTicks;
  }

  onTimer(): void {
    const answer = this.#socket._httpMessage ?? undefined;
    const isAnswering = answer !== undefined;
    if (isAnswering ? answer === this.#lost : this.isIdle) {
      this.#socket.destroy();
      return;
    }
    this.isIdle = !isAnswering;
    this.#lost = isAnswering && this.#isEnding(answer) ? answer : undefined;
    this.wheel.schedule(this, this.#periodTicks);
  }

  /**
   * Nothing more comes and little is left to be taken. Over TLS a write is never done when its client broke off in certain ways: neither
   * it nor the connection would end. What is longer is watched over by `UnreadAnswers`.
   */
  #isEnding({ finished }: NonNullable<TrackedSocket['_httpMessage']>): boolean {
    const { readableEnded, writableLength, writableHighWaterMark } = this.#socket;
    return finished && readableEnded && writableLength <= writableHighWaterMark;
  }
}

function detachTracker(this: TrackedSocket): void {
  const tracker = this[TRACKER];
  if (tracker === undefined) return;
  this[TRACKER] = undefined;
  tracker.wheel.cancel(tracker);
}
