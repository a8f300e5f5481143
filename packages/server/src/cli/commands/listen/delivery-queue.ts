import type { PolycastEvent } from '@polycast/protocol';
import type { LocalAnswer } from './local-request.ts';

/** One event on its way to the endpoint, for as long as a key can send it again. */
export interface Delivery {
  /** The key that sends it again. */
  readonly resendKey: string;
  readonly event: PolycastEvent;
  /** As the hub wrote it. */
  readonly text: string;
  attempts: number;
}

const RESEND_KEYS = 'abcdefghijklmnopqrstuvwxyz';
/** At once; more wait in the hub's log. */
const CONCURRENT_MAX = 16;

/** The events that were passed on, each channel's one after the other, channels beside each other. */
export class DeliveryQueue {
  readonly #deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>;
  readonly #recent = new Map<string, Delivery>();
  /** The last one of each channel that has one under way. */
  readonly #lanes = new Map<string, Promise<unknown>>();
  /** In the order of the log. */
  readonly #inFlight: { readonly id: string; isDone: boolean }[] = [];
  #count = 0;
  #completedThrough: string | undefined;

  constructor(deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>) {
    this.#deliver = deliver;
  }

  /** All up to here was passed on. */
  get completedThrough(): string | undefined {
    return this.#completedThrough;
  }

  /** Resolves once there is room for the next one. */
  async accept(event: PolycastEvent, text: string): Promise<void> {
    const resendKey = RESEND_KEYS.charAt(this.#count++ % RESEND_KEYS.length);
    const delivery = { resendKey, event, text, attempts: 0 };
    this.#recent.set(resendKey, delivery);
    const entry = { id: event.id, isDone: false };
    this.#inFlight.push(entry);
    void this.#append(event.channel, delivery).then(() => this.#complete(entry));
    while (this.#inFlight.length >= CONCURRENT_MAX) await Promise.race(this.#lanes.values());
  }

  /** Sends one again; nothing when no delivery has this letter. */
  resend(resendKey: string): Promise<unknown> | undefined {
    const delivery = this.#recent.get(resendKey);
    return delivery === undefined ? undefined : this.#append(delivery.event.channel, delivery);
  }

  async settled(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes.values());
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
