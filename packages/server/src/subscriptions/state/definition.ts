import type { Position } from '../../core/ports.ts';

/**
 * `per-channel`: the events of a channel are delivered one at a time, in order. `none`: events are
 * delivered without an order.
 */
export type Ordering = 'per-channel' | 'none';

/**
 * The formats of the body of a webhook's request (PROTOCOL.md section 14.3). `event`: the log's own
 * envelope. `data`: the published data, unchanged.
 */
export const BODY_FORMATS = ['event', 'data', 'cloudevents', 'cloudevents-binary'] as const;
export type BodyFormat = (typeof BODY_FORMATS)[number];

/** The name of a webhook's dialect (`dialect.ts`), such as `standard`. */
export type DialectName = string;

export interface WebhookDelivery {
  readonly kind: 'webhook';
  /** http or https. The guard checks the address when the hub connects. */
  readonly url: string;
  readonly dialect: DialectName;
  readonly format: BodyFormat;
  /**
   * Headers of each request. Names are in lower case, and none is one that the hub sets itself.
   * WebSub's `link` is one of them.
   */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Up to `countMax` events in one request, as a JSON array. The first event waits up to `waitMs`
   * for others.
   */
  readonly batch: { readonly countMax: number; readonly waitMs: number } | undefined;
  /** Deadline of one whole exchange. */
  readonly timeoutMs: number;
  /**
   * Milliseconds between attempts. An event that still fails after the last delay is a dead letter.
   */
  readonly retryDelaysMs: readonly number[];
  /**
   * The signing secrets: the newest first, then the previous one until its end. After a rotation
   * that the store refused, and that was repeated, there are three.
   */
  readonly secrets: readonly Secret[];
}

/**
 * A signing secret. `whsec_…`: HMAC-SHA256. `whsk_…`: ed25519. For WebSub: an algorithm, `=`, and
 * the subscriber's own secret, such as `sha512=…`. `X-Hub-Signature` is then that algorithm, `=`,
 * and the HMAC of the body in hexadecimal.
 */
export interface Secret {
  readonly text: string;
  /**
   * The secret signs nothing after this time, in milliseconds since 1970; `undefined` for never.
   */
  readonly endsMs: number | undefined;
}

export interface PullDelivery {
  readonly kind: 'pull';
  /** Duration of a lease, unless the worker asks for another one. */
  readonly leaseMs: number;
  /** An event that was leased this often and never acknowledged is a dead letter. */
  readonly deliveriesMax: number;
}

export type Delivery = WebhookDelivery | PullDelivery;

/** The members that the definitions of both kinds have. */
export interface CommonDefinition {
  /** `sub_` and 16 characters of base32. */
  readonly id: string;
  /** 1 at creation; also its ETag. */
  readonly version: number;
  readonly createdMs: number;
  readonly changedMs: number;
  /** The creator: the id of the key, or the user, or neither. `createdBy` on the wire. */
  readonly owner: { readonly key: string | undefined; readonly user: string | undefined };
  /** Unique in the hub. The `PUT` that created it gave it. */
  readonly name?: string | undefined;
  /**
   * The site's name for the customer that it belongs to: `owner` on the wire.
   * `undefined`: no customer.
   */
  readonly customer?: string | undefined;
  readonly description: string;
  /** The owner's own data: at most 20 members, texts of at most 500 characters. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Channels and patterns, 1 to `limits.channelsPerConsumerMax`. */
  readonly channels: readonly string[];
  /**
   * When it last lost some of its channels, in milliseconds since 1970; `undefined`: never. Earlier
   * attempts may be of channels that a present reader of the subscription may not know about.
   */
  readonly narrowedMs?: number | undefined;
  readonly types: readonly string[] | undefined;
  /** The filter as it was given, checked by `filter.ts`; `undefined`: every event passes. */
  readonly filter: unknown;
  readonly ordering: Ordering;
  /** Events handed out in a second, at most; `undefined`: no limit. */
  readonly ratePerSecond: number | undefined;
  /** Webhook: concurrent requests. Pull: concurrent leases. */
  readonly concurrencyMax: number;
  /**
   * When it ends by itself, in milliseconds since 1970; `undefined`: never. WebSub's leases use it.
   */
  readonly endsMs: number | undefined;
  /**
   * The idempotency key of its creation, if there was one. It is valid for 24 h after `createdMs`,
   * for the same owner. A repeated request returns this subscription. A request with another
   * fingerprint fails with `idempotency_key_reused`. The fingerprint does not contain secrets.
   */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | undefined;
}

export interface WebhookDefinition extends CommonDefinition {
  readonly delivery: WebhookDelivery;
}

export interface PullDefinition extends CommonDefinition {
  readonly delivery: PullDelivery;
}

/**
 * The definition of a subscription: what its owner asked for. Only requests such as PATCH change
 * it, each with a new version. Its kind never changes.
 */
export type SubscriptionDefinition = WebhookDefinition | PullDefinition;

/** Whether a definition is of a webhook. It narrows the type, which `delivery.kind` does not. */
export function isWebhook(definition: SubscriptionDefinition): definition is WebhookDefinition {
  return definition.delivery.kind === 'webhook';
}

/** A definition of the kind that its delivery has. */
export function withDelivery(common: CommonDefinition, delivery: Delivery): SubscriptionDefinition {
  return delivery.kind === 'webhook' ? { ...common, delivery } : { ...common, delivery };
}

/** The status of a subscription: its state and its progress, as stored in the data folder. */
export interface SubscriptionStatus {
  readonly state: SubscriptionState;
  readonly reason: StatusReason;
  readonly sinceMs: number;
  /**
   * Every matching event up to here is done, has an `OpenEvent`, or waits behind one that has.
   */
  readonly cursor: Position;
  /**
   * Since when every delivery has failed, in milliseconds since 1970; `undefined` while they
   * succeed.
   */
  readonly failingSinceMs: number | undefined;
  /**
   * The endpoint asked for no requests until then, in milliseconds since 1970; `undefined`: it did
   * not.
   */
  readonly restUntilMs: number | undefined;
  /**
   * At the last checkpoint: number of events that the cursor has passed and that wait behind open
   * ones. `undefined`: none.
   */
  readonly held?: number | undefined;
  /**
   * The position in a lost log, until the gap that reports the loss is delivered. The subscription
   * knows no event of that log after this position.
   */
  readonly lost: LostPosition | undefined;
}

export interface LostPosition {
  readonly epoch: string;
  readonly position: Position;
}

export const SUBSCRIPTION_STATES = ['pending', 'active', 'paused', 'suspended', 'ended'] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/** The reasons of states, from the table in PROTOCOL.md section 14.2. */
export const STATUS_REASONS = [
  'created',
  'verified',
  'refused',
  'moved',
  'paused',
  'resumed',
  'failing',
  'healed',
  'gone',
  'lease_over',
  'removed',
] as const;
export type StatusReason = (typeof STATUS_REASONS)[number];

/**
 * A stored open event: in flight, waiting for its next attempt, or leased. Its payload stays in the
 * log.
 */
export interface OpenEvent {
  readonly position: Position;
  readonly channel: string;
  /** Delivery attempts that were started. */
  readonly attempts: number;
  /** When it may be tried again, or its lease ends; milliseconds since 1970. */
  readonly dueMs: number;
  /** The name of the lease, for pull; `undefined` without a lease. */
  readonly lease: string | undefined;
  /**
   * In per-channel order: the cursor has passed the channel's events after this position, and they
   * wait for this event. `undefined` when none wait, or without an order. A value before `position`
   * marks a gap: the events after `heldAfter` are lost. The gap, and all that follows, is still to
   * be delivered.
   */
  readonly heldAfter: Position | undefined;
  /**
   * True for an event outside its channel's order, which is not the channel's first open event. No
   * other event waits for it.
   */
  readonly isAside?: boolean | undefined;
}
