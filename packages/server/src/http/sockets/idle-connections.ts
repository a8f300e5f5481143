import type { Socket } from 'node:net';
import { ticksOf, type WheelTimer, type TimingWheel } from '../../core/primitives/timing-wheel.ts';

/**
 * Closes connections that are idle between requests. Node's own timeout makes and clears a timer
 * for each request, which costs a thirtieth of a short poll. Here a request only clears a flag, and
 * the wheel checks it once per period.
 */
export class IdleConnections {
  readonly #wheel: TimingWheel;
  readonly #periodTicks: number;

  /**
   * @param idleMs the shortest time before an idle connection is closed; it is closed before twice
   * that
   */
  constructor(wheel: TimingWheel, idleMs: number) {
    this.#wheel = wheel;
    this.#periodTicks = ticksOf(idleMs);
  }

  /** Starts to track a new connection. */
  track(socket: TrackedSocket): void {
    const tracker = new IdleTracker(this.#wheel, socket, this.#periodTicks);
    socket[TRACKER] = tracker;
    this.#wheel.schedule(tracker, this.#periodTicks);
    socket.on('close', detachTracker);
  }
}

/** Marks a connection as used by a request. Returns its tracker, unless tracking was stopped. */
export function markUsed(socket: TrackedSocket): IdleTracker | undefined {
  const tracker = socket[TRACKER];
  if (tracker !== undefined) tracker.isIdle = false;
  return tracker;
}

/** Stops tracking a connection that has become a stream: the session decides when it ends. */
export function stopTracking(socket: TrackedSocket): void {
  socket.removeListener('close', detachTracker);
  detachTracker.call(socket);
}

const TRACKER: unique symbol = Symbol('kept');

interface TrackedSocket extends Socket {
  [TRACKER]?: IdleTracker | undefined;
  /** The response in progress, set by Node. */
  _httpMessage?: { readonly finished: boolean } | null;
}

/** A query and the address that it was read from. The reader that parsed it knows more of it. */
export interface ParsedQuery {
  readonly url: string;
}

export class IdleTracker implements WheelTimer {
  readonly wheel: TimingWheel;
  readonly #socket: TrackedSocket;
  readonly #periodTicks: number;
  /** No request has arrived since the last check. */
  isIdle = false;
  /** The last query that a reader of events parsed: a client that polls repeats it. */
  lastQuery: ParsedQuery | undefined = undefined;
  /** A response that was ending at the last check. */
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
   * Whether the response has ended, the client sends nothing more, and few bytes are left to write.
   * Over TLS such a write never completes after certain disconnects, so neither it nor the
   * connection would end. `UnreadResponses` handles longer responses.
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
