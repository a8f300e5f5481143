import type { Clock } from '../../core/ports.ts';
import type { Subscription, SubscriptionDesk } from '../../core/subscription/ports.ts';

/** All are looked through no more often than once in so long: who asks is anybody. */
const AGE_MAX_MS = 1000;

/** How many WebSub subscriptions there are, and of which channels: as it was up to a second ago, and what was added since. */
export class Census {
  readonly #desk: Pick<SubscriptionDesk, 'list'>;
  readonly #clock: Clock;
  #channels = new Set<string>();
  #count = 0;
  #takenMs = -Infinity;

  constructor(desk: Pick<SubscriptionDesk, 'list'>, clock: Clock) {
    this.#desk = desk;
    this.#clock = clock;
  }

  get count(): number {
    this.#take();
    return this.#count;
  }

  has(channel: string): boolean {
    this.#take();
    return this.#channels.has(channel);
  }

  added(channel: string): void {
    this.#channels.add(channel);
    this.#count++;
  }

  #take(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#takenMs < AGE_MAX_MS) return;
    this.#takenMs = nowMs;
    const all = this.#desk.list({ after: '', limit: Infinity, means: isOurs });
    this.#count = all.length;
    this.#channels = new Set(all.flatMap(({ definition }) => definition.channels));
  }
}

/** A live one of this dialect. */
export function isOurs({ definition: { delivery }, standing }: Subscription): boolean {
  return delivery.kind === 'webhook' && delivery.dialect === 'websub' && standing.state !== 'ended';
}
