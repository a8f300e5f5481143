import type { PolycastEvent } from '@polycast/protocol';
import type { LocalAnswer } from './local-request.ts';

/**
 * One delivery of an event to the endpoint. The user can press its letter to resend it, until a
 * later delivery has that letter.
 */
export interface Delivery {
  /** The letter that resends it. */
  readonly resendKey: string;
  readonly event: PolycastEvent;
  /** The event's JSON as the hub wrote it. */
  readonly text: string;
  attempts: number;
}

const RESEND_KEYS = 'abcdefghijklmnopqrstuvwxyz';
/** The most deliveries in flight; further events wait in the hub's log. */
const CONCURRENT_MAX = 16;

/**
 * The queue of events for the endpoint. Each channel is a lane: its events go one after the other,
 * and channels go in parallel. For example, an event of `orders.42` does not wait for one of
 * `orders.43`.
 */
export class DeliveryQueue {
  readonly #deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>;
  readonly #recent = new Map<string, Delivery>();
  /** The last delivery of each lane that has one in flight. */
  readonly #lanes = new Map<string, Promise<unknown>>();
  /** The events in flight, in the order of the log. */
  readonly #inFlight: { readonly id: string; isDone: boolean }[] = [];
  #count = 0;
  #completedThrough: string | undefined;

  constructor(deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>) {
    this.#deliver = deliver;
  }

  /** All events up to and including this id have been forwarded. */
  get completedThrough(): string | undefined {
    return this.#completedThrough;
  }

  /** Adds an event. Resolves once there is a free slot for the next one. */
  async accept(event: PolycastEvent, text: string): Promise<void> {
    const resendKey = RESEND_KEYS.charAt(this.#count++ % RESEND_KEYS.length);
    const delivery = { resendKey, event, text, attempts: 0 };
    this.#recent.set(resendKey, delivery);
    const entry = { id: event.id, isDone: false };
    this.#inFlight.push(entry);
    void this.#append(event.channel, delivery).then(() => this.#complete(entry));
    while (this.#inFlight.length >= CONCURRENT_MAX) await Promise.race(this.#lanes.values());
  }

  /** Resends a delivery; `undefined` when no delivery has this letter. */
  resend(resendKey: string): Promise<unknown> | undefined {
    const delivery = this.#recent.get(resendKey);
    return delivery === undefined ? undefined : this.#append(delivery.event.channel, delivery);
  }

  async settled(): Promise<void> {
    // An event is completed a moment after its lane.
    while (this.#lanes.size + this.#inFlight.length > 0) await Promise.all(this.#lanes.values());
  }

  #append(channel: string, delivery: Delivery): Promise<unknown> {
    const previous = this.#lanes.get(channel) ?? Promise.resolve();
    const sent = previous.then(() => this.#deliver(delivery));
    this.#lanes.set(channel, sent);
    return sent.finally(() => {
      if (this.#lanes.get(channel) === sent) this.#lanes.delete(channel);
    });
  }

  #complete(entry: { isDone: boolean }): void {
    entry.isDone = true;
    while (this.#inFlight[0]?.isDone === true) this.#completedThrough = this.#inFlight.shift()?.id;
  }
}
