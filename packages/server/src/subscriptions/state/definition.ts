import type { Position } from '../../core/ports.ts';

/** Whether a channel's events come one at a time and in order, or as they come. */
export type Ordering = 'per-channel' | 'none';

/** What an endpoint is sent (PROTOCOL.md section 14.3). `event`: the log's own envelope. `data`: what was published, as it was. */
export type BodyFormat = 'event' | 'data' | 'cloudevents' | 'cloudevents-binary';

/** Which customs a webhook follows: what it is signed with, how it consents, what ends it. */
export type DialectName = 'standard' | 'cloudevents' | 'rest-hooks' | 'websub';

export interface WebhookDelivery {
  readonly kind: 'webhook';
  /** http or https; where it may lead is decided when it is connected to. */
  readonly url: string;
  readonly dialect: DialectName;
  readonly format: BodyFormat;
  /** Sent along with each request; names in lower case, none of those that the hub sets itself. WebSub's `link` comes so too. */
  readonly headers: Readonly<Record<string, string>>;
  /** Up to so many events in one request, as a JSON array, and how long the first of them waits for others. */
  readonly batch: { readonly countMax: number; readonly waitMs: number } | undefined;
  /** For one exchange, all of it. */
  readonly timeoutMs: number;
  /** Milliseconds from one attempt to the next; an event that has failed after all of them is a dead letter. */
  readonly retryDelaysMs: readonly number[];
  /** What requests are signed with: the newest first, and until its end the one before. */
  readonly secrets: readonly Secret[];
}

/**
 * A key to sign with. `whsec_…`: HMAC-SHA256. `whsk_…`: ed25519. For WebSub an algorithm, `=`, and the secret as its subscriber gave
 * it, `sha512=…`: `X-Hub-Signature` is that algorithm, `=`, and the HMAC of the body in hexadecimal.
 */
export interface Secret {
  readonly text: string;
  /** From then on nothing is signed with it any more; `undefined` for never. */
  readonly endsMs: number | undefined;
}

export interface PullDelivery {
  readonly kind: 'pull';
  /** How long a worker has, unless it asks for more or less. */
  readonly leaseMs: number;
  /** An event that was leased so often and never acknowledged is a dead letter. */
  readonly deliveriesMax: number;
}

/** What was asked for: it changes only by PATCH and the like, each time with a new version. */
export interface SubscriptionDefinition {
  /** `sub_` and 16 characters of base32. */
  readonly id: string;
  /** 1 with its creation; its ETag. */
  readonly version: number;
  readonly createdMs: number;
  readonly changedMs: number;
  /** Whose it is: the name of the key that made it, the user, or neither. */
  readonly owner: { readonly key: string | undefined; readonly user: string | undefined };
  readonly description: string;
  /** The owner's own notes: at most 20 members, texts of at most 500 characters. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Channels and patterns, 1 to `limits.channelsPerConsumerMax`. */
  readonly channels: readonly string[];
  /**
   * When it last lost some of its channels; `undefined`: never. What was sent before may be of channels that whoever sees it now may
   * know nothing of.
   */
  readonly narrowedMs?: number | undefined;
  readonly types: readonly string[] | undefined;
  /** As it was given, checked (`filter.ts`); `undefined`: every event. */
  readonly filter: unknown;
  readonly ordering: Ordering;
  /** Events handed out in a second, at most; `undefined`: as fast as they are taken. */
  readonly ratePerSecond: number | undefined;
  /** Webhook: requests at once. Pull: events leased at once. */
  readonly concurrencyMax: number;
  readonly delivery: WebhookDelivery | PullDelivery;
  /** It ends by itself then; `undefined`: never. WebSub's leases. */
  readonly endsMs: number | undefined;
  /**
   * What it was created with, if it was: for 24 h after `createdMs` the same owner's same key gives this subscription again, or
   * `idempotency_key_reused` when the fingerprint of what was asked for is another one. Secrets play no part in the fingerprint.
   */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | undefined;
}

/** Where a subscription stands, as it is kept in the data folder. */
export interface SubscriptionStatus {
  readonly state: SubscriptionState;
  /** Why, in words of the table in PROTOCOL.md section 14.2: `created`, `verified`, `failing`, `gone`, `asked`… */
  readonly reason: string;
  readonly sinceMs: number;
  /** All that is meant up to here is done, or stands in an `OpenEvent`. */
  readonly cursor: Position;
  /** Since when there has been nothing but failures; `undefined` while deliveries succeed. */
  readonly failingSinceMs: number | undefined;
  /** Its endpoint has asked to be left alone until then; `undefined` when it has not. */
  readonly restUntilMs: number | undefined;
  /** As it is written down: events that the cursor has passed, behind those that are open; none unless given. */
  readonly held?: number | undefined;
  /** It stood in a log that is no more, and has not been told yet: the place after which it knows nothing of that one. */
  readonly lost: LostPosition | undefined;
}

export interface LostPosition {
  readonly epoch: string;
  readonly position: Position;
}

export type SubscriptionState = 'pending' | 'active' | 'paused' | 'suspended' | 'ended';

/** An event that was taken up and is not done: in flight, waiting for its next attempt, or leased. Its payload stays in the log. */
export interface OpenEvent {
  readonly position: Position;
  readonly channel: string;
  /** Deliveries that were begun. */
  readonly attempts: number;
  /** When it may be tried again, or its lease ends; milliseconds since 1970. */
  readonly dueMs: number;
  /** The lease's name, for pull; `undefined` when nobody has it. */
  readonly lease: string | undefined;
  /**
   * In per-channel order: what follows in its channel, after this position, has been passed by the cursor and waits for this event.
   * `undefined` where nothing waits, or order plays no part. Before this position: what is open is to be told that events after
   * `heldAfter` are lost, and all that follows.
   */
  readonly heldAfter: Position | undefined;
  /** Not the first of its channel that is open, but an event by itself: nothing waits for it, and it speaks for no other. */
  readonly isAside?: boolean | undefined;
}
