import type { PolycastEvent } from '@polycast/protocol';
import type { LocalAnswer } from './send.ts';

/** One event on its way to the endpoint, for as long as a key can send it again. */
export interface Delivery {
  /** The key that sends it again. */
  readonly letter: string;
  readonly event: PolycastEvent;
  /** As the hub wrote it. */
  readonly text: string;
  attempts: number;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
/** At once; more wait in the hub's log. */
const CONCURRENT_MAX = 16;

/** The events that were passed on, each channel's one after the other, channels beside each other. */
export class Deliveries {
  readonly #deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>;
  readonly #recent = new Map<string, Delivery>();
  /** The last one of each channel that has one under way. */
  readonly #lines = new Map<string, Promise<unknown>>();
  /** In the order of the log. */
  readonly #underWay: { readonly id: string; isDone: boolean }[] = [];
  #count = 0;
  #doneId: string | undefined;

  constructor(deliver: (delivery: Delivery) => Promise<LocalAnswer | undefined>) {
    this.#deliver = deliver;
  }

  /** All up to here was passed on. */
  get doneId(): string | undefined {
    return this.#doneId;
  }

  /** Resolves once there is room for the next one. */
  async take(event: PolycastEvent, text: string): Promise<void> {
    const letter = LETTERS.charAt(this.#count++ % LETTERS.length);
    const delivery = { letter, event, text, attempts: 0 };
    this.#recent.set(letter, delivery);
    const entry = { id: event.id, isDone: false };
    this.#underWay.push(entry);
    void this.#line(event.channel, delivery).then(() => this.#done(entry));
    while (this.#underWay.length >= CONCURRENT_MAX) await Promise.race(this.#lines.values());
  }

  /** Sends one again; nothing when no delivery has this letter. */
  again(letter: string): Promise<unknown> | undefined {
    const delivery = this.#recent.get(letter);
    return delivery === undefined ? undefined : this.#line(delivery.event.channel, delivery);
  }

  async settled(): Promise<void> {
    while (this.#lines.size > 0) await Promise.all(this.#lines.values());
  }

  #line(channel: string, delivery: Delivery): Promise<unknown> {
    const before = this.#lines.get(channel) ?? Promise.resolve();
    const mine = before.then(() => this.#deliver(delivery));
    this.#lines.set(channel, mine);
    return mine.finally(() => {
      if (this.#lines.get(channel) === mine) this.#lines.delete(channel);
    });
  }

  #done(entry: { isDone: boolean }): void {
    entry.isDone = true;
    while (this.#underWay[0]?.isDone === true) this.#doneId = this.#underWay.shift()?.id;
  }
}
