import { PolycastError } from '@polycast/protocol';
import type { Authority } from '../../../core/access/authority.ts';
import type { Clock, Position, Random } from '../../../core/ports.ts';
import type { Actor } from '../../../core/audit.ts';
import type { MemoryUsage } from '../../../core/primitives/byte-budget.ts';
import { detachedCopy } from '../../../core/interests/interest.ts';
import { ANONYMOUS } from '../../../core/access/principal.ts';
import type { WebhookDelivery } from '../../state/definition.ts';
import type { Subscription, SubscriptionService, WebhookSubscription } from '../../state/ports.ts';
import type { Sender } from '../../state/sender.ts';
import type { SubscriptionSettings } from '../../settings.ts';
import type { WebSubSettings } from './settings.ts';
import { TokenBuckets } from '../../../core/primitives/token-buckets.ts';
import { addressKey } from '../../../core/primitives/address-key.ts';
import { hostnameOf, isLiveWebSub, type SubscriberCount } from './subscriber-count.ts';
import type { ExternalTopics } from './external-topics.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { hubRequestOf, invalid, type Intent, type Ping } from './parameters.ts';
import { EXTERNAL_CHANNEL_PREFIX, topicOf, type Topic } from './topics.ts';
import { webSub } from './dialect.ts';
import { denial, isConfirmed, verificationRequest } from './callback-verification.ts';

/** Dependencies of the WebSub hub. */
export interface WebSubHubParts {
  readonly subscriptions: SubscriptionService;
  readonly sender: Pick<Sender, 'send' | 'urlProblem'>;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly random: Random;
  readonly externalTopics: ExternalTopics;
  readonly subscriberCount: SubscriberCount;
  readonly settings: WebSubSettings;
  readonly webhookDefaults: Pick<SubscriptionSettings, 'concurrency' | 'timeoutMs' | 'retryDelaysSeconds'>;
  readonly logger: { info(fields: object, message: string): void };
  /** The position of the newest event. */
  head(): Position;
}

/**
 * A request, with the URLs under which its sender may know this hub. Subscribers receive the first
 * URL.
 */
export interface HubCall {
  readonly form: URLSearchParams;
  readonly bases: readonly [string, ...string[]];
  readonly by: Actor;
}

/** Verifications in flight, and requests that wait for their verification. */
const VERIFICATIONS_CONCURRENT_MAX = 64;
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Rates per second of one client's requests and of verifications to one host. A burst of ten
 * seconds' worth is allowed.
 */
const REQUESTS_PER_SECOND = 20;
const VERIFICATIONS_PER_SECOND = 10;
const BURST_SECONDS = 10;
const DAY_SECONDS = 86_400;

/**
 * The WebSub hub (PROTOCOL.md section 14.7). An intent is a subscriber's request. It becomes a
 * subscription when its callback confirms it.
 */
export class WebSubHub {
  readonly #parts: WebSubHubParts;
  readonly #queue = new KeyedQueue({
    concurrentMax: VERIFICATIONS_CONCURRENT_MAX,
    waitingMax: WAITING_MAX,
    waitingBytesMax: WAITING_BYTES_MAX,
  });
  readonly #buckets = new TokenBuckets();
  readonly #newOfClients = new TokenBuckets();

  constructor(parts: WebSubHubParts) {
    this.#parts = parts;
  }

  /**
   * Accepts a request. The callback receives the result later.
   * @throws PolycastError `invalid_body`, `endpoint_refused`, `rate_limited`, `overloaded`
   */
  accept({ form, bases, by }: HubCall): 'intent' | 'ping' {
    this.#rateLimit(`client ${addressKey(by.address ?? '')}`, REQUESTS_PER_SECOND);
    const request = hubRequestOf(form);
    if (request.mode === 'publish') {
      this.#ping(request, bases);
      return 'ping';
    }
    const topic = this.#topicOf(request.topic, bases);
    const refusal = this.#parts.sender.urlProblem(request.callback);
    if (refusal !== undefined)
      throw new PolycastError('endpoint_refused', refusal.detail, {
        category: refusal.failure,
        member: 'hub.callback',
      });
    this.#rateLimit(`host ${new URL(request.callback).host}`, VERIFICATIONS_PER_SECOND);
    if (request.mode === 'subscribe' && this.#find(topic.channel, request.callback) === undefined)
      this.#rateLimitNew(addressKey(by.address ?? ''));
    const hubUrl = detachedCopy(`${bases[0]}/v1/websub`);
    const pending: PendingRequest = { request, topic, hubUrl, by, head: this.#parts.head() };
    if (!this.#queue.add(`${topic.channel} ${request.callback}`, bytesOf(pending), () => this.#process(pending)))
      throw new PolycastError('overloaded', 'Too many requests wait for their verification.', { retryAfterMs: 5000 });
    return 'intent';
  }

  /**
   * Ends subscriptions to topics that the changed rules no longer allow, with a denial. Call it
   * once, at the start.
   */
  async endForbidden(): Promise<void> {
    const { subscriptions, settings } = this.#parts;
    let after = '';
    for (;;) {
      const page = subscriptions.list({ after, limit: 100, predicate: isLiveWebSub });
      for (const { definition } of page.filter(isLiveWebSub)) {
        const [channel = ''] = definition.channels;
        const url = definition.metadata['topic'] ?? '';
        const isExternal = topicOf(url, [], settings.topics) !== undefined;
        const topic = { url, channel, isExternal };
        const refused = await this.#refusal(topic).catch(() => undefined);
        if (refused === undefined) continue;
        const callback = definition.delivery.url;
        const deny = (): Promise<void> => this.#deny(topic, callback, refused);
        if (!this.#queue.add(`${channel} ${callback}`, 2 * (url.length + callback.length), deny)) await deny();
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.definition.id;
    }
  }

  /** Memory of requests that wait for their verification. */
  get waiting(): MemoryUsage {
    return this.#queue;
  }

  /**
   * Begins no further work. Requests that are not verified yet are lost, and the subscriber has to
   * repeat them.
   */
  close(): Promise<void> {
    return this.#queue.close();
  }

  #ping({ topics }: Ping, bases: HubCall['bases']): void {
    // Events of the hub's own channels are delivered when they are published. Such a ping has no
    // effect.
    for (const topic of topics.map(({ url, name }) => this.#topicOf(url, bases, name)))
      if (topic.isExternal) this.#parts.externalTopics.onPing(topic);
  }

  #topicOf(url: string, bases: HubCall['bases'], name = 'hub.topic'): Topic {
    const topic = topicOf(url, bases, this.#parts.settings.topics);
    if (topic === undefined) throw invalid(name, 'is not a topic of this hub');
    return topic;
  }

  async #process(pending: PendingRequest): Promise<void> {
    try {
      await (pending.request.mode === 'subscribe' ? this.#subscribe(pending) : this.#unsubscribe(pending));
    } catch (error) {
      if (this.#queue.isClosed) return;
      // The request cannot be completed now. The subscriber has confirmed it, so the denial informs
      // it that no events will come.
      const { callback, topic } = pending.request;
      this.#parts.logger.info({ error: String(error), callback, topic }, 'websub: subscription request failed');
      await this.#parts.sender.send(
        denial(topic, callback, 'The hub cannot accept the subscription at the moment. Try again later.'),
      );
    }
  }

  async #subscribe(pending: PendingRequest): Promise<void> {
    const { request, topic, by } = pending;
    const { subscriptions, clock } = this.#parts;
    const refused = await this.#refusal(topic);
    if (refused !== undefined) return this.#deny(topic, request.callback, refused);
    const problem = this.#capacityProblem(pending);
    if (problem !== undefined) return this.#deny(topic, request.callback, problem);
    const leaseSeconds = this.#leaseSecondsFor(request.leaseSeconds);
    if (!(await this.#isConfirmed(request, leaseSeconds))) return;
    // Meanwhile other subscriptions may have taken the last place.
    const problemNow = this.#capacityProblem(pending);
    if (problemNow !== undefined) return this.#deny(topic, request.callback, problemNow);
    const delivery = this.#delivery(pending);
    const endsMs = clock.nowMs() + leaseSeconds * 1000;
    const existing = this.#find(topic.channel, request.callback);
    if (existing === undefined) return this.#make(pending, delivery, endsMs);
    await subscriptions.change(
      existing.definition.id,
      { delivery, endsMs, metadata: { topic: topic.url } },
      undefined,
      by,
    );
    // The confirmation proves that the endpoint is available again.
    if (existing.status.state === 'suspended') await subscriptions.resume(existing.definition.id, by);
  }

  /**
   * Creates a subscription. It reserves a place in the same turn of the event loop as the check of
   * capacity. The reservation ends when the creation succeeds or fails.
   */
  async #make(pending: PendingRequest, delivery: WebhookDelivery, endsMs: number): Promise<void> {
    const { subscriptions, subscriberCount, webhookDefaults } = this.#parts;
    const { channel, url } = pending.topic;
    const { callback } = pending.request;
    let isMade = false;
    subscriberCount.reserve(channel, callback);
    try {
      await this.#evictForOtherHost(callback);
      await subscriptions.create(
        {
          ...DEFAULTS,
          channels: [channel],
          metadata: { topic: url },
          concurrencyMax: webhookDefaults.concurrency,
          delivery,
          endsMs,
          cursor: pending.head,
          isTrusted: true,
        },
        pending.by,
      );
      isMade = true;
    } finally {
      subscriberCount.settle(channel, callback, isMade);
    }
  }

  /** The reason why there is no place for a new subscription; `undefined` if there is one. */
  #capacityProblem({ topic, request }: PendingRequest): string | undefined {
    if (this.#find(topic.channel, request.callback) !== undefined) return undefined;
    const { settings, subscriberCount } = this.#parts;
    const countOnHost = subscriberCount.countOnHost(hostnameOf(request.callback));
    if (countOnHost >= settings.subscriptionsPerHostMax)
      return 'The host of the callback has reached its limit of subscriptions.';
    if (subscriberCount.count < settings.subscriptionsMax || this.#evictionCandidate(countOnHost) !== undefined)
      return undefined;
    return 'The hub has reached its limit of subscribers.';
  }

  /**
   * Frees a place if there are more than `subscriptionsMax` subscriptions. The host with the most
   * of them loses its newest one to a host that will still have fewer.
   */
  async #evictForOtherHost(callback: string): Promise<void> {
    const { settings, subscriberCount } = this.#parts;
    if (subscriberCount.count <= settings.subscriptionsMax) return;
    // The count includes the new subscription itself.
    const evicted = this.#evictionCandidate(subscriberCount.countOnHost(hostnameOf(callback)) - 1);
    if (evicted === undefined) return;
    const { channels, metadata, delivery } = evicted.definition;
    const [channel = ''] = channels;
    const evictedTopic = { url: metadata['topic'] ?? '', channel, isExternal: false };
    await this.#deny(
      evictedTopic,
      delivery.url,
      'The host of the callback has the most subscriptions, and another host needs the place.',
    );
  }

  #evictionCandidate(countOnHost: number): WebhookSubscription | undefined {
    const { subscriberCount } = this.#parts;
    const newest = subscriberCount.newestOnLargestHost();
    if (newest === undefined) return undefined;
    const { url } = newest.definition.delivery;
    return subscriberCount.countOnHost(hostnameOf(url)) > countOnHost + 1 ? newest : undefined;
  }

  async #unsubscribe({ request, topic, by }: PendingRequest): Promise<void> {
    if (!(await this.#isConfirmed(request, 0))) return;
    const existing = this.#find(topic.channel, request.callback);
    if (existing !== undefined) await this.#parts.subscriptions.remove(existing.definition.id, by);
  }

  /**
   * The reason why the topic is not public; `undefined` if it is. External topics are public.
   * @throws PolycastError `identity_unavailable`
   */
  async #refusal({ channel, isExternal }: Topic): Promise<string | undefined> {
    if (isExternal) return undefined;
    if (channel.startsWith(EXTERNAL_CHANNEL_PREFIX)) return 'The hub does not serve this topic.';
    const decision = await this.#parts.authority.decide(ANONYMOUS, 'subscribe', channel);
    if (decision.allowed) return undefined;
    // An unavailable identity service is no refusal, so no subscription ends.
    if (decision.code === 'identity_unavailable') throw new PolycastError(decision.code, decision.detail);
    return 'This topic is not public.';
  }

  /** Sends a denial, and removes the subscription if there is one. */
  async #deny({ url, channel }: Topic, callback: string, reason: string): Promise<void> {
    const existing = this.#find(channel, callback);
    if (existing !== undefined) {
      const removing = this.#parts.subscriptions.remove(existing.definition.id, { kind: 'hub' });
      // The count is refreshed in the same turn of the event loop, because the removal and the
      // denial may take long.
      this.#parts.subscriberCount.onRemoved();
      await removing;
    }
    await this.#parts.sender.send(denial(url, callback, reason));
  }

  async #isConfirmed(request: Intent, leaseSeconds: number): Promise<boolean> {
    const challenge = this.#parts.random.token();
    const sent = await this.#parts.sender.send(verificationRequest(request, challenge, leaseSeconds));
    return !this.#queue.isClosed && isConfirmed(sent, challenge);
  }

  #find(channel: string, callback: string): Subscription | undefined {
    return this.#parts.subscriptions.find(webSub.name, callback, channel);
  }

  #leaseSecondsFor(wanted: number | undefined): number {
    const { leaseSeconds, leaseMinSeconds, leaseMaxSeconds } = this.#parts.settings;
    return Math.min(leaseMaxSeconds, Math.max(leaseMinSeconds, wanted ?? leaseSeconds));
  }

  #delivery({ request, hubUrl }: PendingRequest): WebhookDelivery {
    const { webhookDefaults, settings } = this.#parts;
    const { secret, algorithm = settings.algorithm } = request;
    return {
      kind: 'webhook',
      url: request.callback,
      dialect: webSub.name,
      format: webSub.defaultFormat,
      headers: { link: `<${request.topic}>; rel="self", <${hubUrl}>; rel="hub"` },
      batch: undefined,
      timeoutMs: webhookDefaults.timeoutMs,
      retryDelaysMs: webhookDefaults.retryDelaysSeconds.map((seconds) => seconds * 1000),
      secrets: secret === undefined ? [] : [{ text: `${algorithm}=${secret}`, endsMs: undefined }],
    };
  }

  #rateLimitNew(client: string): void {
    const { settings, clock } = this.#parts;
    const max = settings.subscriptionsPerClientMax;
    const retryAfterMs = this.#newOfClients.take(client, max / DAY_SECONDS, max, clock.monotonicMs());
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', `The limit is ${max} new subscriptions per client and day.`, {
        retryAfterMs,
      });
  }

  #rateLimit(name: string, perSecond: number): void {
    const retryAfterMs = this.#buckets.take(
      name,
      perSecond,
      perSecond * BURST_SECONDS,
      this.#parts.clock.monotonicMs(),
    );
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', `The limit is ${perSecond} requests a second.`, { retryAfterMs });
  }
}

/** A request, with the facts at the time when it was accepted. */
interface PendingRequest {
  readonly request: Intent;
  readonly topic: Topic;
  readonly hubUrl: string;
  readonly by: Actor;
  /**
   * Position of the newest event at that time. Later events are delivered after the verification.
   */
  readonly head: Position;
}

/**
 * Memory of a waiting request in bytes. It assumes two bytes a character, as in strings with
 * characters beyond Latin-1.
 */
function bytesOf({ request, topic, hubUrl, by }: PendingRequest): number {
  const texts = [
    request.topic,
    request.callback,
    request.secret,
    request.verifyToken,
    topic.channel,
    hubUrl,
    by.address,
    by.user,
  ];
  return texts.reduce((sum, text) => sum + 2 * (text?.length ?? 0), PENDING_REQUEST_BYTES);
}

/** Size of its objects and of the headers of its strings. */
const PENDING_REQUEST_BYTES = 600;

const DEFAULTS = {
  owner: { key: undefined, user: undefined },
  description: '',
  types: undefined,
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  idempotency: undefined,
} as const;
