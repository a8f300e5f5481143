import type { Clock } from '../../../core/ports.ts';
import { isWebhook } from '../../state/definition.ts';
import type { Subscription, SubscriptionService, WebhookSubscription } from '../../state/ports.ts';
import { webSub } from './dialect.ts';

/** Shortest time between two scans of all subscriptions, because anyone can cause one. */
const AGE_MAX_MS = 1000;

/**
 * Counts WebSub subscriptions, in total and by host, and knows their channels. The values are up to
 * one second old, with later additions included.
 */
export class SubscriberCount {
  readonly #subscriptions: Pick<SubscriptionService, 'list'>;
  readonly #clock: Clock;
  #channels = new Set<string>();
  #hosts = new Map<string, number>();
  #count = 0;
  /**
   * Hosts of subscriptions that are being created, by topic and callback. Each one has reserved a
   * place.
   */
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

  /** Number of subscriptions whose callback is on a host. */
  countOnHost(host: string): number {
    this.#refresh();
    let count = this.#hosts.get(host) ?? 0;
    for (const reserved of this.#reserved.values()) if (reserved === host) count++;
    return count;
  }

  /** The newest subscription of the host with the most subscriptions. */
  newestOnLargestHost(): WebhookSubscription | undefined {
    this.#refresh();
    let largest = '';
    for (const [host, count] of this.#hosts) if (count > (this.#hosts.get(largest) ?? 0)) largest = host;
    let newest: WebhookSubscription | undefined;
    for (const each of this.#list((one) => hostOf(one) === largest))
      if (newest === undefined || each.definition.createdMs > newest.definition.createdMs) newest = each;
    return newest;
  }

  /**
   * Reserves a place for a subscription that is being created. Call it in the same turn of the
   * event loop as the check, so that no other request takes the place. There is one reservation at
   * a time for a topic and a callback.
   */
  reserve(channel: string, callback: string): void {
    this.#reserved.set(nameOf(channel, callback), hostnameOf(callback));
  }

  /** Ends a reservation after the creation. `isMade` says whether it succeeded. */
  settle(channel: string, callback: string, isMade: boolean): void {
    const host = hostnameOf(callback);
    this.#reserved.delete(nameOf(channel, callback));
    if (!isMade) return;
    this.#channels.add(channel);
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1);
    this.#count++;
  }

  /** Invalidates the counts after a removal. */
  onRemoved(): void {
    this.#refreshedMs = -Infinity;
  }

  #refresh(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#refreshedMs < AGE_MAX_MS) return;
    this.#refreshedMs = nowMs;
    const all = this.#list((each) => !this.#reserved.has(reservedAs(each)));
    this.#count = all.length;
    this.#channels = new Set(all.flatMap(({ definition }) => definition.channels));
    this.#hosts = new Map();
    for (const each of all) this.#hosts.set(hostOf(each), (this.#hosts.get(hostOf(each)) ?? 0) + 1);
  }

  #list(isSelected: (subscription: WebhookSubscription) => boolean): readonly WebhookSubscription[] {
    const predicate = (each: Subscription): boolean => isLiveWebSub(each) && isSelected(each);
    return this.#subscriptions.list({ after: '', limit: Infinity, predicate }).filter(isLiveWebSub);
  }
}

/** Whether a subscription is a WebSub subscription that has not ended. */
export function isLiveWebSub(subscription: Subscription): subscription is WebhookSubscription {
  const { definition, status } = subscription;
  return isWebhook(definition) && definition.delivery.dialect === webSub.name && status.state !== 'ended';
}

/** Host name of a callback. All ports of a host count as one host. */
export function hostnameOf(callback: string): string {
  return URL.parse(callback)?.hostname ?? '';
}

function hostOf({ definition: { delivery } }: WebhookSubscription): string {
  return hostnameOf(delivery.url);
}

function nameOf(channel: string, callback: string): string {
  return `${channel} ${callback}`;
}

function reservedAs({ definition: { channels, delivery } }: WebhookSubscription): string {
  return nameOf(channels[0] ?? '', delivery.url);
}
