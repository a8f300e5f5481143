import { PolycastError } from '@polycast/protocol';
import type { Actor, Authority, Clock, Position, Random } from '../../core/ports.ts';
import type { Held } from '../../core/byte-budget.ts';
import { ownText } from '../../core/interest.ts';
import { ANONYMOUS } from '../../core/principal.ts';
import type { WebhookDelivery } from '../../core/subscription/definition.ts';
import type { Sender, Subscription, SubscriptionDesk } from '../../core/subscription/ports.ts';
import type { SubscriptionSettings } from '../../core/subscription/settings.ts';
import type { WebSubSettings } from '../../core/subscription/websub-settings.ts';
import { TokenBuckets } from '../../core/token-buckets.ts';
import { countedAs } from '../../core/counted-address.ts';
import { hostnameOf, isOurs, type Census } from './census.ts';
import type { ForeignTopics } from './foreign-topics.ts';
import { KeyedWork } from './keyed-work.ts';
import { hubRequestOf, invalid, type Intent, type Ping } from './parameters.ts';
import { FOREIGN_CHANNELS, topicOf, type Topic } from './topics.ts';
import { denial, isConfirmed, question } from './verification.ts';

/** What the WebSub hub works with. */
export interface WebSubParts {
  readonly desk: SubscriptionDesk;
  readonly sender: Sender;
  readonly authority: Authority;
  readonly clock: Clock;
  readonly random: Random;
  readonly foreign: ForeignTopics;
  readonly census: Census;
  readonly settings: WebSubSettings;
  readonly deliveries: Pick<SubscriptionSettings, 'concurrency' | 'timeoutMs' | 'retryDelaysSeconds'>;
  readonly logger: { info(fields: object, message: string): void };
  /** The newest position there is. */
  head(): Position;
}

/** A request, and by which addresses its sender may mean this hub: the first is the one that subscribers are told. */
export interface HubQuestion {
  readonly form: URLSearchParams;
  readonly bases: readonly [string, ...string[]];
  readonly by: Actor;
}

/** Callbacks that are asked at once, and requests that wait for that. */
const ASKED_MAX = 64;
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** What one client may ask for, and how often one host is asked by us, in a second; and ten times as much at once. */
const REQUESTS_PER_SECOND = 20;
const QUESTIONS_PER_SECOND = 10;
const BURST_SECONDS = 10;
const DAY_SECONDS = 86_400;

/** The hub of WebSub (PROTOCOL.md section 14.7): intents become subscriptions once their callbacks have confirmed them. */
export class WebSub {
  readonly #parts: WebSubParts;
  readonly #work = new KeyedWork({
    concurrentMax: ASKED_MAX,
    waitingMax: WAITING_MAX,
    waitingBytesMax: WAITING_BYTES_MAX,
  });
  readonly #buckets = new TokenBuckets();
  readonly #newOfClients = new TokenBuckets();

  constructor(parts: WebSubParts) {
    this.#parts = parts;
  }

  /**
   * Takes a request on: what becomes of it, the callback hears.
   * @throws PolycastError `invalid_body`, `endpoint_refused`, `rate_limited`, `overloaded`
   */
  take({ form, bases, by }: HubQuestion): 'intent' | 'ping' {
    this.#limit(`client ${countedAs(by.address ?? '')}`, REQUESTS_PER_SECOND);
    const request = hubRequestOf(form);
    if (request.mode === 'publish') {
      this.#ping(request, bases);
      return 'ping';
    }
    const topic = this.#topicOf(request.topic, bases);
    const refusal = this.#parts.sender.objection(request.callback);
    if (refusal !== undefined)
      throw new PolycastError('endpoint_refused', refusal.detail, {
        category: refusal.failure,
        member: 'hub.callback',
      });
    this.#limit(`host ${new URL(request.callback).host}`, QUESTIONS_PER_SECOND);
    if (request.mode === 'subscribe' && this.#present(topic.channel, request.callback) === undefined)
      this.#limitNew(countedAs(by.address ?? ''));
    const hubUrl = ownText(`${bases[0]}/v1/websub`);
    const wish: Wish = { request, topic, hubUrl, by, head: this.#parts.head() };
    if (!this.#work.add(`${topic.channel} ${request.callback}`, bytesOf(wish), () => this.#settle(wish)))
      throw new PolycastError('overloaded', 'Too many requests wait to be verified.', { retryAfterMs: 5000 });
    return 'intent';
  }

  /** Whoever may not be subscribed any more, since the rules have changed, is told so. To be called once, at the start. */
  async review(): Promise<void> {
    const { desk, settings } = this.#parts;
    let after = '';
    for (;;) {
      const page = desk.list({ after, limit: 100, means: isOurs });
      for (const { definition } of page) {
        const [channel = ''] = definition.channels;
        const url = definition.metadata['topic'] ?? '';
        const isForeign = topicOf(url, [], settings.topics) !== undefined;
        const topic = { url, channel, isForeign };
        const refused = await this.#refusal(topic).catch(() => undefined);
        if (refused === undefined) continue;
        const callback = (definition.delivery as WebhookDelivery).url;
        const deny = (): Promise<void> => this.#deny(topic, callback, refused);
        if (!this.#work.add(`${channel} ${callback}`, 2 * (url.length + callback.length), deny)) await deny();
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.definition.id;
    }
  }

  /** Requests that wait for their callbacks to be asked. */
  get waiting(): Held {
    return this.#work;
  }

  /** Begins nothing more; what was not verified by now has to be asked for again. */
  close(): Promise<void> {
    return this.#work.close();
  }

  #ping({ topics }: Ping, bases: HubQuestion['bases']): void {
    // A channel's own events are told as they are published: there is nothing to be done about it.
    for (const topic of topics.map(({ url, name }) => this.#topicOf(url, bases, name)))
      if (topic.isForeign) this.#parts.foreign.changed(topic);
  }

  #topicOf(url: string, bases: HubQuestion['bases'], name = 'hub.topic'): Topic {
    const topic = topicOf(url, bases, this.#parts.settings.topics);
    if (topic === undefined) throw invalid(name, 'is not a topic of this hub');
    return topic;
  }

  async #settle(wish: Wish): Promise<void> {
    try {
      await (wish.request.mode === 'subscribe' ? this.#subscribe(wish) : this.#unsubscribe(wish));
    } catch (error) {
      if (this.#work.isClosed) return;
      // It cannot be kept now: the subscriber has confirmed, and must not go on in the belief that it will be told.
      const { callback, topic } = wish.request;
      this.#parts.logger.info({ error: String(error), callback, topic }, 'a WebSub request could not be met');
      await this.#parts.sender.send(denial(topic, callback, 'The hub cannot take it on now; ask again later.'));
    }
  }

  async #subscribe(wish: Wish): Promise<void> {
    const { request, topic, by } = wish;
    const { desk, clock } = this.#parts;
    const refused = await this.#refusal(topic);
    if (refused !== undefined) return this.#deny(topic, request.callback, refused);
    const noPlace = this.#noPlace(wish);
    if (noPlace !== undefined) return this.#deny(topic, request.callback, noPlace);
    const leaseSeconds = this.#lease(request.leaseSeconds);
    if (!(await this.#confirms(request, leaseSeconds))) return;
    // Others may have been confirmed meanwhile.
    const noPlaceNow = this.#noPlace(wish);
    if (noPlaceNow !== undefined) return this.#deny(topic, request.callback, noPlaceNow);
    const delivery = this.#delivery(wish);
    const endsMs = clock.nowMs() + leaseSeconds * 1000;
    const present = this.#present(topic.channel, request.callback);
    if (present === undefined) return this.#make(wish, delivery, endsMs);
    await desk.change(present.definition.id, { delivery, endsMs, metadata: { topic: topic.url } }, undefined, by);
    // Whoever confirms is there again.
    if (present.standing.state === 'suspended') await desk.resume(present.definition.id, by);
  }

  /** From the turn in which a place was found until it is there, or has failed, the place is its own. */
  async #make(wish: Wish, delivery: WebhookDelivery, endsMs: number): Promise<void> {
    const { desk, census } = this.#parts;
    const { channel } = wish.topic;
    const { callback } = wish.request;
    let isMade = false;
    census.reserve(channel, callback);
    try {
      await this.#makePlace(callback);
      const terms = { ...NEW, ...this.#terms(wish), delivery, endsMs, cursor: wish.head, isTrusted: true };
      await desk.create(terms, wish.by);
      isMade = true;
    } finally {
      census.settle(channel, callback, isMade);
    }
  }

  /** Why there is no place for a new one, if there is none. */
  #noPlace({ topic, request }: Wish): string | undefined {
    if (this.#present(topic.channel, request.callback) !== undefined) return undefined;
    const { settings, census } = this.#parts;
    const ofHost = census.ofHost(hostnameOf(request.callback));
    if (ofHost >= settings.subscriptionsPerHostMax) return 'This host has as many subscriptions as one host may have.';
    if (census.count < settings.subscriptionsMax || this.#largestBeyond(ofHost) !== undefined) return undefined;
    return 'The hub has as many subscribers as it may have.';
  }

  /** When more places are taken than there are, the host with the most of them gives one to a host that will still have fewer. */
  async #makePlace(callback: string): Promise<void> {
    const { settings, census } = this.#parts;
    if (census.count <= settings.subscriptionsMax) return;
    // Its own is among them.
    const leaving = this.#largestBeyond(census.ofHost(hostnameOf(callback)) - 1);
    if (leaving === undefined) return;
    const { channels, metadata, delivery } = leaving.definition;
    const [channel = ''] = channels;
    const left = { url: metadata['topic'] ?? '', channel, isForeign: false };
    await this.#deny(
      left,
      (delivery as WebhookDelivery).url,
      'Its host has the most subscriptions, and another host has none left.',
    );
  }

  #largestBeyond(ofHost: number): Subscription | undefined {
    const { census } = this.#parts;
    const newest = census.newestOfLargest();
    if (newest === undefined) return undefined;
    const { url } = newest.definition.delivery as WebhookDelivery;
    return census.ofHost(hostnameOf(url)) > ofHost + 1 ? newest : undefined;
  }

  async #unsubscribe({ request, topic, by }: Wish): Promise<void> {
    if (!(await this.#confirms(request, 0))) return;
    const present = this.#present(topic.channel, request.callback);
    if (present !== undefined) await this.#parts.desk.remove(present.definition.id, by);
  }

  /**
   * Why the public may not have it; what is fetched from elsewhere is public already.
   * @throws PolycastError `identity_unavailable`
   */
  async #refusal({ channel, isForeign }: Topic): Promise<string | undefined> {
    if (isForeign) return undefined;
    if (channel.startsWith(FOREIGN_CHANNELS)) return 'This hub is not for this topic.';
    const decision = await this.#parts.authority.decide(ANONYMOUS, 'subscribe', channel);
    if (decision.allowed) return undefined;
    // That is no refusal, and ends nothing.
    if (decision.code === 'identity_unavailable') throw new PolycastError(decision.code, decision.detail);
    return 'This topic is not public.';
  }

  /** A subscription that there was ends with it. */
  async #deny({ url, channel }: Topic, callback: string, reason: string): Promise<void> {
    const present = this.#present(channel, callback);
    if (present !== undefined) {
      const removing = this.#parts.desk.remove(present.definition.id, { kind: 'hub' });
      // In the same turn: what it is told, and whether it hears it, may take long.
      this.#parts.census.removed();
      await removing;
    }
    await this.#parts.sender.send(denial(url, callback, reason));
  }

  async #confirms(request: Intent, leaseSeconds: number): Promise<boolean> {
    const challenge = this.#parts.random.token();
    const sent = await this.#parts.sender.send(question(request, challenge, leaseSeconds));
    return !this.#work.isClosed && isConfirmed(sent, challenge);
  }

  #present(channel: string, callback: string): Subscription | undefined {
    return this.#parts.desk.find('websub', callback, channel);
  }

  #lease(wanted: number | undefined): number {
    const { leaseSeconds, leaseMinSeconds, leaseMaxSeconds } = this.#parts.settings;
    return Math.min(leaseMaxSeconds, Math.max(leaseMinSeconds, wanted ?? leaseSeconds));
  }

  #terms({ topic }: Wish): { channels: readonly string[]; concurrencyMax: number; metadata: Record<string, string> } {
    const { concurrency } = this.#parts.deliveries;
    return { channels: [topic.channel], concurrencyMax: concurrency, metadata: { topic: topic.url } };
  }

  #delivery({ request, hubUrl }: Wish): WebhookDelivery {
    const { deliveries, settings } = this.#parts;
    const { secret, algorithm = settings.algorithm } = request;
    return {
      kind: 'webhook',
      url: request.callback,
      dialect: 'websub',
      format: 'data',
      headers: { link: `<${request.topic}>; rel="self", <${hubUrl}>; rel="hub"` },
      batch: undefined,
      timeoutMs: deliveries.timeoutMs,
      retryDelaysMs: deliveries.retryDelaysSeconds.map((seconds) => seconds * 1000),
      secrets: secret === undefined ? [] : [{ text: `${algorithm}=${secret}`, endsMs: undefined }],
    };
  }

  #limitNew(client: string): void {
    const { settings, clock } = this.#parts;
    const max = settings.subscriptionsPerClientMax;
    const retryAfterMs = this.#newOfClients.take(client, max / DAY_SECONDS, max, clock.monotonicMs());
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', `${max} new subscriptions a day are taken of one client.`, {
        retryAfterMs,
      });
  }

  #limit(name: string, perSecond: number): void {
    const retryAfterMs = this.#buckets.take(
      name,
      perSecond,
      perSecond * BURST_SECONDS,
      this.#parts.clock.monotonicMs(),
    );
    if (retryAfterMs > 0)
      throw new PolycastError('rate_limited', `${perSecond} requests a second are taken.`, { retryAfterMs });
  }
}

/** What was asked for, and what was so then. */
interface Wish {
  readonly request: Intent;
  readonly topic: Topic;
  readonly hubUrl: string;
  readonly by: Actor;
  /** What comes after this is delivered, once it is verified. */
  readonly head: Position;
}

/** What a request holds while it waits, in bytes; a text of which one character is not Latin-1 has two a character. */
function bytesOf({ request, topic, hubUrl, by }: Wish): number {
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
  return texts.reduce((sum, text) => sum + 2 * (text?.length ?? 0), WISH_BYTES);
}

/** Its objects, and its strings' heads. */
const WISH_BYTES = 600;

const NEW = {
  owner: { key: undefined, user: undefined },
  description: '',
  types: undefined,
  filter: undefined,
  ordering: 'per-channel',
  ratePerSecond: undefined,
  idempotency: undefined,
} as const;
