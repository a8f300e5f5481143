import type { Gap, PolycastEvent } from '@polycast/protocol';
import { closedError, type PolycastError } from '../errors.ts';

/**
 * Called for each event, once, in order. If it returns a promise, the next event waits until that
 * settles.
 */
export type Handler<Data = unknown> = (event: PolycastEvent<Data>) => unknown;

export interface SubscribeOptions {
  /** The start: a cursor, `earliest` (the oldest stored event) or `now` (the default). */
  readonly after?: string;
  /** Begin with the last 1 to 1000 events; not together with `after`. */
  readonly history?: number;
  /** Only events of these types. */
  readonly types?: readonly string[];
  /**
   * The most events that are buffered for an iterator, or for a handler that returns promises: 1 or
   * more, 256 by default. At the bound, the subscription falls behind (`lag`) and catches up from
   * the hub later, so that no event is lost.
   */
  readonly bufferEventsMax?: number;
  /** Called with each gap: events that can no longer be delivered. */
  readonly onGap?: (gap: Gap) => void;
  /** Called when the hub refuses the subscription, also after it has joined. */
  readonly onRefused?: (error: PolycastError) => void;
}

/**
 * A subscription: one consumer of some channels. Without a handler, iterate it: `for await (const
 * event of subscription)`.
 */
export interface Subscription<Data = unknown> extends AsyncIterable<PolycastEvent<Data>> {
  readonly channels: readonly string[];
  /**
   * The consumer has processed all events up to this cursor; empty until the subscription has a
   * place in the log. Pass it as `after` to resume.
   */
  readonly cursor: string;
  /**
   * Resolves when the subscription receives every event that is published from then on. Rejects
   * when the hub refuses.
   */
  readonly joined: Promise<void>;
  /** Ends the subscription. A running iteration ends. */
  close(): void;
}

/** A consumer queue: the driver's view of a subscription. */
export interface ConsumerQueue {
  /** Identifies the subscription over reloads of the page. */
  readonly name: string;
  readonly subscription: Subscription;
  readonly onGap: ((gap: Gap) => void) | undefined;
  deliver(events: readonly PolycastEvent[]): void;
  markJoined(): void;
  /** Ends the queue, with an error if there is one. */
  end(error?: PolycastError): void;
  /** The number of events that it can still take. */
  capacity(): number;
}

export interface ConsumerQueueOptions {
  readonly name: string;
  readonly channels: readonly string[];
  readonly handler: Handler | undefined;
  readonly options: SubscribeOptions;
  /** The cursor up to which the machine has delivered events to it. */
  readonly cursor: () => string;
  /** Called when `capacity()` has changed enough to report. */
  readonly onCapacity: () => void;
  readonly onClose: () => void;
  /** Called with an error that a handler threw. */
  readonly onError: (error: unknown) => void;
  readonly onRefused: (error: PolycastError) => void;
}

const BUFFER_EVENTS_MAX = 256;

/**
 * A bounded queue between the machine and one consumer. An iterator has processed an event when it
 * asks for the next one.
 */
export function createConsumerQueue({
  name,
  channels,
  handler,
  options,
  cursor,
  onCapacity,
  onClose,
  onError,
  onRefused,
}: ConsumerQueueOptions): ConsumerQueue {
  const bufferMax = Math.max(1, options.bufferEventsMax ?? BUFFER_EVENTS_MAX);
  const joined = Promise.withResolvers<void>();
  const queue: PolycastEvent[] = [];
  /**
   * The cursor of the last event that the consumer has processed. Beside it, the cursor of the
   * event that an iteration processes until it asks for the next one.
   */
  let doneCursor = '';
  let currentCursor = '';
  let isBusy = false;
  let isBounded = !handler;
  /** The capacity that the machine knows. */
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
      if (handler) throw new TypeError('It has a handler.');
      return { next, return: stop };
    },
  };
  return { name, subscription, onGap: options.onGap, deliver, markJoined: joined.resolve, end, capacity };

  function deliver(events: readonly PolycastEvent[]): void {
    queue.push(...events);
    reportedCapacity -= events.length;
    if (handler) drain(handler);
    else resolveWaiting();
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
    // The machine assumed unlimited capacity, and has to learn of the bound.
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

  /**
   * Resolves the waiting iteration. Events that were buffered before the end are still delivered.
   */
  function resolveWaiting(): void {
    const event = queue[0];
    if (!waiting || (!event && !ended)) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (event) {
      queue.shift();
      isBusy = true;
      currentCursor = event.id;
      resolve({ done: false, value: event });
    } else if (ended instanceof Error) reject(ended);
    else resolve({ done: true, value: undefined });
  }

  async function stop(): Promise<IteratorResult<PolycastEvent>> {
    close();
    return { done: true, value: undefined };
  }

  function capacity(): number {
    return isBounded ? (reportedCapacity = Math.max(0, bufferMax - queue.length)) : Infinity;
  }

  function reportCapacity(): void {
    if (bufferMax - queue.length - reportedCapacity >= bufferMax / 2) onCapacity();
  }

  function close(): void {
    if (ended) return;
    queue.length = 0;
    end();
    onClose();
  }

  function end(error?: PolycastError): void {
    ended ??= error ?? true;
    joined.reject(error ?? closedError());
    if (error) onRefused(error);
    resolveWaiting();
  }
}
