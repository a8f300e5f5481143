import type { Clock } from '../../../core/ports.ts';
import type { Subscription, SubscriptionService } from '../../state/ports.ts';

/** All are looked through no more often than once in so long: who asks is anybody. */
const AGE_MAX_MS = 1000;

/** How many WebSub subscriptions there are, of which channels and to which hosts: as it was up to a second ago, and what was added since. */
export class SubscriberCount {
  readonly #subscriptions: Pick<SubscriptionService, 'list'>;
  readonly #clock: Clock;
  #channels = new Set<string>();
  #hosts = new Map<string, number>();
  #count = 0;
  /** The hosts of those that are being made, by topic and callback: their places are taken. */
  readonly #reserved = new Map<string, string>();
  #refreshedMs = -Infinity;

  constructor(subscriptions: Pick<SubscriptionService, 'list'>, clock: Clock) {
    this.#subscriptions = subscriptions;
    this.#clock = clock;
  }

  get count(): number {
    this.#refresh();
    return this.#count + this.#reserved.size;
  }

  has(channel: string): boolean {
    this.#refresh();
    return this.#channels.has(channel);
  }

  /** How many have their callback on a host. */
  countOnHost(host: string): number {
    this.#refresh();
    let count = this.#hosts.get(host) ?? 0;
    for (const reserved of this.#reserved.values()) if (reserved === host) count++;
    return count;
  }

  /** Of the host that has the most of them, the newest one. */
  newestOnLargestHost(): Subscription | undefined {
    this.#refresh();
    let largest = '';
    for (const [host, count] of this.#hosts) if (count > (this.#hosts.get(largest) ?? 0)) largest = host;
    const all = this.#subscriptions.list({
      after: '',
      limit: Infinity,
      predicate: (each) => isLiveWebSub(each) && hostOf(each) === largest,
    });
    const [first] = all;
    return all.reduce((newest, each) => (isNewer(each, newest) ? each : newest), first as Subscription);
  }

  /**
   * Takes a place for one that is being made, in the turn in which there was one: whoever asks meanwhile finds it taken. Of one topic
   * and callback there is one at a time.
   */
  reserve(channel: string, callback: string): void {
    this.#reserved.set(nameOf(channel, callback), hostnameOf(callback));
  }

  /** What a place was taken for is there, or has come to nothing. */
  settle(channel: string, callback: string, isMade: boolean): void {
    const host = hostnameOf(callback);
    this.#reserved.delete(nameOf(channel, callback));
    if (!isMade) return;
    this.#channels.add(channel);
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1);
    this.#count++;
  }

  /** One was taken away: it is counted anew. */
  onRemoved(): void {
    this.#refreshedMs = -Infinity;
  }

  #refresh(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#refreshedMs < AGE_MAX_MS) return;
    this.#refreshedMs = nowMs;
    const isCounted = (each: Subscription): boolean => isLiveWebSub(each) && !this.#reserved.has(reservedAs(each));
    const all = this.#subscriptions.list({ after: '', limit: Infinity, predicate: isCounted });
    this.#count = all.length;
    this.#channels = new Set(all.flatMap(({ definition }) => definition.channels));
    this.#hosts = new Map();
    for (const each of all) this.#hosts.set(hostOf(each), (this.#hosts.get(hostOf(each)) ?? 0) + 1);
  }
}

/** A live one of this dialect. */
export function isLiveWebSub({ definition: { delivery }, status }: Subscription): boolean {
  return delivery.kind === 'webhook' && delivery.dialect === 'websub' && status.state !== 'ended';
}

/** A callback's host name: which of its ports it is makes no other host of it. */
export function hostnameOf(callback: string): string {
  return URL.parse(callback)?.hostname ?? '';
}

function hostOf({ definition: { delivery } }: Subscription): string {
  return delivery.kind === 'webhook' ? hostnameOf(delivery.url) : '';
}

function nameOf(channel: string, callback: string): string {
  return `${channel} ${callback}`;
}

function reservedAs({ definition: { channels, delivery } }: Subscription): string {
  return nameOf(channels[0] ?? '', delivery.kind === 'webhook' ? delivery.url : '');
}

function isNewer({ definition: one }: Subscription, { definition: other }: Subscription): boolean {
  return one.createdMs > other.createdMs;
}
