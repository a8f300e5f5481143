import type { Gap, PolycastEvent } from '@polycast/protocol';
import { closedError } from '../errors.ts';

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
  /** Up to where it has been given everything; empty until it has a place in the log. To go on from with `after`. */
  readonly cursor: string;
  /** Settles when what is published from then on is sure to come; rejects when the hub refuses. */
  readonly joined: Promise<void>;
  /** Delivers no more. A running iteration ends. */
  close(): void;
}

/** What the driver sees of a subscription. */
export interface ConsumerQueue {
  /** Which it is, over reloads of the page. */
  readonly name: string;
  readonly subscription: Subscription;
  readonly onGap: ((gap: Gap) => void) | undefined;
  deliver(events: readonly PolycastEvent[]): void;
  markJoined(): void;
  /** No more will come; because of an error, if there is one. */
  end(error?: Error): void;
  /** How many more events it can take. */
  capacity(): number;
}

export interface ConsumerQueueOptions {
  readonly name: string;
  readonly channels: readonly string[];
  readonly handler: Handler | undefined;
  readonly options: SubscribeOptions;
  /** Up to where the machine has given it events. */
  readonly cursor: () => string;
  /** `room()` has changed enough to be worth telling. */
  readonly onCapacity: () => void;
  readonly onClose: () => void;
  /** What a handler threw, or the hub refused. */
  readonly onError: (error: unknown) => void;
}

const BUFFER_EVENTS_MAX = 256;

/** A bounded queue between the machine and one consumer. An iterator is a handler that is done when it is asked again. */
export function createConsumerQueue({
  name,
  channels,
  handler,
  options,
  cursor,
  onCapacity,
  onClose,
  onError,
}: ConsumerQueueOptions): ConsumerQueue {
  const bufferMax = Math.max(1, options.bufferEventsMax ?? BUFFER_EVENTS_MAX);
  const joined = Promise.withResolvers<void>();
  const queue: PolycastEvent[] = [];
  /** The event that the consumer was last done with, and the one that an iteration has in hand until it asks for the next. */
  let doneCursor = '';
  let currentCursor = '';
  let isBusy = false;
  let isBounded = handler === undefined;
  /** How much room the machine believes there is. */
  let reportedCapacity = bufferMax;
  let ended: Error | true | undefined;
  let waiting: PromiseWithResolvers<IteratorResult<PolycastEvent>> | undefined;
  joined.promise.catch(() => undefined);

  const subscription: Subscription = {
    channels,
    joined: joined.promise,
    get cursor() {
      return (queue.length === 0 && !isBusy && cursor()) || doneCursor;
    },
    close,
    [Symbol.asyncIterator]() {
      if (handler !== undefined) throw new TypeError('It has a handler.');
      return { next, return: stop };
    },
  };
  return { name, subscription, onGap: options.onGap, deliver, markJoined: joined.resolve, end, capacity };

  function deliver(events: readonly PolycastEvent[]): void {
    queue.push(...events);
    reportedCapacity -= events.length;
    if (handler === undefined) resolveWaiting();
    else drain(handler);
  }

  function drain(handler: Handler): void {
    while (!isBusy && queue.length > 0) {
      const event = queue.shift() as PolycastEvent;
      try {
        const result = handler(event);
        if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function')
          awaitHandler(result, event, handler);
      } catch (error) {
        onError(error);
      }
      if (!isBusy) doneCursor = event.id;
    }
  }

  function awaitHandler(result: unknown, event: PolycastEvent, handler: Handler): void {
    isBusy = true;
    // The machine took it for one that is always ready, and has to learn otherwise.
    if (!isBounded) onCapacity();
    isBounded = true;
    void Promise.resolve(result)
      .catch(onError)
      .then(() => {
        isBusy = false;
        doneCursor = event.id;
        drain(handler);
        reportCapacity();
      });
  }

  function next(): Promise<IteratorResult<PolycastEvent>> {
    if (isBusy) doneCursor = currentCursor;
    isBusy = false;
    waiting ??= Promise.withResolvers();
    const { promise } = waiting;
    resolveWaiting();
    reportCapacity();
    return promise;
  }

  /** Gives the waiting iteration what it waits for. What was buffered before the end is still given. */
  function resolveWaiting(): void {
    const event = queue[0];
    if (waiting === undefined || (event === undefined && ended === undefined)) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (event !== undefined) {
      queue.shift();
      isBusy = true;
      currentCursor = event.id;
      resolve({ done: false, value: event });
    } else if (ended instanceof Error) reject(ended);
    else resolve({ done: true, value: undefined });
  }

  function stop(): Promise<IteratorResult<PolycastEvent>> {
    close();
    return Promise.resolve({ done: true, value: undefined });
  }

  function capacity(): number {
    return isBounded ? (reportedCapacity = Math.max(0, bufferMax - queue.length)) : Infinity;
  }

  function reportCapacity(): void {
    if (bufferMax - queue.length - reportedCapacity >= bufferMax / 2) onCapacity();
  }

  function close(): void {
    if (ended !== undefined) return;
    queue.length = 0;
    end();
    onClose();
  }

  function end(error?: Error): void {
    ended ??= error ?? true;
    joined.reject(error ?? closedError());
    if (error !== undefined) onError(error);
    resolveWaiting();
  }
}
