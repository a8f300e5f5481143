import type { Gap, PolycastEvent } from '@polycast/protocol';

/** Called for each event, once, in order. While a promise that it returns is pending, the next event waits. */
export type Handler<Data = unknown> = (event: PolycastEvent<Data>) => unknown;

export interface SubscribeOptions {
  /** Where to begin: a cursor, `earliest` (all that is still kept) or `now` (the default). */
  readonly after?: string;
  /** Begin with the last 1 to 1000 events; not together with `after`. */
  readonly history?: number;
  /** Only events of these types. */
  readonly types?: readonly string[];
  /**
   * Events kept for an iterator, or a handler that returns promises, until it takes them: 1 or more, 256 by default. When
   * they are this many, the subscription falls behind (`lag`) and is caught up from the hub later: nothing is lost.
   */
  readonly bufferEventsMax?: number;
  /** Told what can no longer be delivered. */
  readonly onGap?: (gap: Gap) => void;
}

/** One consumer of some channels. Without a handler it is to be iterated: `for await (const event of subscription)`. */
export interface Subscription<Data = unknown> extends AsyncIterable<PolycastEvent<Data>> {
  readonly channels: readonly string[];
  /** Settles when what is published from then on is sure to come; rejects when the hub refuses. */
  readonly joined: Promise<void>;
  /** Delivers no more. A running iteration ends. */
  close(): void;
}

/** What the driver sees of a subscription. */
export interface Sink {
  readonly subscription: Subscription;
  readonly onGap: ((gap: Gap) => void) | undefined;
  deliver(events: readonly PolycastEvent[]): void;
  join(): void;
  /** No more will come; because of an error, if there is one. */
  end(error?: Error): void;
  /** How many more events it can take. */
  room(): number;
  /** Up to where its consumer has seen events; undefined when it has seen all that it was given. */
  consumedTo(): string | undefined;
}

export interface SinkOptions {
  readonly channels: readonly string[];
  readonly handler: Handler | undefined;
  readonly options: SubscribeOptions;
  /** `room()` has changed enough to be worth telling. */
  readonly onRoom: () => void;
  readonly onClose: () => void;
  /** What a handler threw. */
  readonly onError: (error: unknown) => void;
}

const BUFFER_EVENTS_MAX = 256;

/** A bounded queue between the machine and one consumer. */
export function createSink({ channels, handler, options, onRoom, onClose, onError }: SinkOptions): Sink {
  const bufferMax = Math.max(1, options.bufferEventsMax ?? BUFFER_EVENTS_MAX);
  const joined = Promise.withResolvers<void>();
  joined.promise.catch(() => undefined);
  const queue: PolycastEvent[] = [];
  /** The last event of which the consumer is done, and the one that it has in hand. */
  let done: string | undefined;
  let current: string | undefined;
  let isBounded = handler === undefined;
  /** How much room the machine believes there is. */
  let believedRoom = bufferMax;
  let ended: { readonly error: Error | undefined } | undefined;
  let waiting: PromiseWithResolvers<IteratorResult<PolycastEvent>> | undefined;

  const iterator: AsyncIterator<PolycastEvent> = { next, return: stop };
  const subscription: Subscription = { channels, joined: joined.promise, close, [Symbol.asyncIterator]: iterate };
  return { subscription, onGap: options.onGap, deliver, join: joined.resolve, end, room, consumedTo };

  function deliver(events: readonly PolycastEvent[]): void {
    if (ended !== undefined) return;
    for (const event of events) queue.push(event);
    believedRoom -= events.length;
    if (handler !== undefined) drain(handler);
    else feed();
  }

  function drain(handler: Handler): void {
    while (current === undefined && queue.length > 0) {
      const event = queue.shift() as PolycastEvent;
      const result = attempt(handler, event);
      if (!isThenable(result)) {
        done = event.id;
        continue;
      }
      current = event.id;
      const wasBounded = isBounded;
      isBounded = true;
      // The machine took it for one that is always ready, and has to learn otherwise.
      if (!wasBounded) tellRoom();
      void Promise.resolve(result)
        .catch(onError)
        .then(() => resume(handler));
    }
  }

  function attempt(handler: Handler, event: PolycastEvent): unknown {
    try {
      return handler(event);
    } catch (error) {
      return onError(error);
    }
  }

  function resume(handler: Handler): void {
    finishCurrent();
    drain(handler);
    tellRoomIfGrown();
  }

  function iterate(): AsyncIterator<PolycastEvent> {
    if (handler !== undefined) throw new TypeError('A subscription with a handler cannot be iterated.');
    return iterator;
  }

  function next(): Promise<IteratorResult<PolycastEvent>> {
    finishCurrent();
    waiting ??= Promise.withResolvers();
    const { promise } = waiting;
    feed();
    tellRoomIfGrown();
    return promise;
  }

  /** Gives the waiting iteration what it waits for. What was buffered before the end is still given. */
  function feed(): void {
    if (waiting === undefined) return;
    const event = queue.shift();
    if (event === undefined && ended === undefined) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    current = event?.id;
    if (event !== undefined) resolve({ done: false, value: event });
    else if (ended?.error !== undefined) reject(ended.error);
    else resolve({ done: true, value: undefined });
  }

  function stop(): Promise<IteratorResult<PolycastEvent>> {
    close();
    return Promise.resolve({ done: true, value: undefined });
  }

  function finishCurrent(): void {
    done = current ?? done;
    current = undefined;
  }

  function room(): number {
    if (!isBounded) return Infinity;
    return (believedRoom = Math.max(0, bufferMax - queue.length));
  }

  function tellRoomIfGrown(): void {
    if (isBounded && bufferMax - queue.length - believedRoom >= bufferMax / 2) tellRoom();
  }

  function tellRoom(): void {
    if (ended === undefined) onRoom();
  }

  function consumedTo(): string | undefined {
    return queue.length > 0 || current !== undefined ? (done ?? '') : undefined;
  }

  function close(): void {
    if (ended !== undefined) return;
    queue.length = 0;
    end();
    onClose();
  }

  function end(error?: Error): void {
    ended ??= { error };
    joined.reject(error ?? new DOMException('The subscription was closed.', 'AbortError'));
    feed();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}
