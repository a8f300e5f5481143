/**
 * The port of durable subscriptions, and its values. `http/` and `dialects/` call
 * `SubscriptionService`. `SubscriptionManager` implements the reads and the operations, and
 * `audited-service.ts` adds an audit entry to each operation. `LeaseManager` implements
 * `pull-service.ts`. The engine itself calls `sender.ts` and `subscription-store.ts`.
 */

import type { Position, StoredRecord } from '../../core/ports.ts';
import type { Actor } from '../../core/audit.ts';
import type {
  DialectName,
  LostPosition,
  SubscriptionDefinition,
  SubscriptionStatus,
  WebhookDefinition,
} from './definition.ts';

export interface Subscription {
  readonly definition: SubscriptionDefinition;
  readonly status: SubscriptionStatus;
}

export interface WebhookSubscription extends Subscription {
  readonly definition: WebhookDefinition;
}

/** A definition without the members that the hub sets. */
export type NewSubscription = Omit<SubscriptionDefinition, 'id' | 'version' | 'createdMs' | 'changedMs'> & {
  /** Position after which it begins. */
  readonly cursor: Position;
  /**
   * The position in a lost log after which it should begin: it receives a gap for that log first.
   */
  readonly lost?: LostPosition | undefined;
  /**
   * Needs no verification: an administrator's setting trusts the endpoint, or the subscription is
   * pull.
   */
  readonly isTrusted: boolean;
};

export type SubscriptionChanges = Partial<
  Pick<
    SubscriptionDefinition,
    | 'description'
    | 'metadata'
    | 'channels'
    | 'types'
    | 'filter'
    | 'ordering'
    | 'ratePerSecond'
    | 'concurrencyMax'
    | 'delivery'
    | 'endsMs'
  >
> & {
  /** Needs no verification, where `delivery` has another URL. */
  readonly isTrusted?: boolean;
};

/** What can be asked about durable subscriptions. */
export interface SubscriptionReads {
  /** The subscription with an id or a name. No name begins like an id. */
  get(idOrName: string): Subscription | undefined;
  /** Subscriptions with ids after `after`, in the order of their ids. */
  list(query: {
    readonly after: string;
    readonly limit: number;
    predicate(subscription: Subscription): boolean;
  }): readonly Subscription[];
  /**
   * The subscription with this URL and channel, for a dialect that is keyed by them; otherwise
   * `undefined`.
   */
  find(dialect: DialectName, url: string, channel: string): Subscription | undefined;
  replays(id: string): readonly Replay[];
  attempts(
    id: string,
    query: { readonly before: number; readonly limit: number; readonly event?: EventPosition },
  ): Promise<readonly Attempt[]>;
  /** Dead letters after one, in the order of their ids. */
  deadLetters(id: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]>;
  /** Attempts of one event, of this log or an earlier one, by all subscriptions. */
  trace(event: EventPosition): Promise<readonly Attempt[]>;
  /** Delivery status of an event; `undefined` when the subscription does not match it. */
  deliveryStatus(id: string, record: StoredRecord): DeliveryStatus | undefined;
  /** The pending events of a subscription, and its lag. */
  backlog(id: string): Backlog;
  /**
   * Resolves once all operations so far are durable. A request that only finds what an earlier one
   * did waits for this before its answer says so.
   * @throws PolycastError `log_full`, `log_unavailable`: an operation is in force,
   * and not stored yet
   */
  whenDurable(): Promise<void>;
}

/**
 * The operations on durable subscriptions that change or send something. A call that resolves has
 * written its changes durably. `change`, `pause`, `resume`, `remove` and `rotateSecret` take effect
 * at once, also if the disk refuses them. They then reject, and are stored as soon as the disk
 * accepts them.
 */
export interface SubscriptionOperations {
  /**
   * Creates a subscription. An endpoint that is not trusted is verified, as its dialect defines:
   * within this call, or the subscription is `pending` until then. `isNew` is false for an equal
   * request with the same idempotency key, and for any request with the name of a subscription.
   * @throws PolycastError `subscription_limit`, `idempotency_key_reused`, `endpoint_refused`,
   * `log_full`, `log_unavailable`
   */
  create(options: NewSubscription): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }>;
  /**
   * @throws PolycastError `not_found`; `precondition_failed` when `version` is not the present one
   */
  change(id: string, changes: SubscriptionChanges, version: number | undefined): Promise<Subscription>;
  pause(id: string): Promise<Subscription>;
  resume(id: string): Promise<Subscription>;
  /** Ends a subscription and deletes it, with its attempts, dead letters and replays. */
  remove(id: string): Promise<void>;
  /**
   * Sends a sample immediately, beside the live deliveries, and returns the attempt. Its data is
   * marked as a test.
   * @throws PolycastError `subscription_not_active` before verification, after its end, and for
   * pull
   */
  test(id: string, sample: Sample): Promise<Attempt>;
  /**
   * Replaces the secret. Both secrets sign until the overlap ends. If the store refuses it and it
   * is repeated, the secret before the refused rotation signs until then, too.
   */
  rotateSecret(id: string, secret: string, overlapMs: number): Promise<Subscription>;
  /**
   * Delivers past events of the log again, beside the live deliveries: from after a position,
   * through the present position of the subscription.
   */
  replay(id: string, request: ReplayRequest): Promise<Replay>;
  /**
   * Retries the dead letter of one event, or all of this log. Returns their number.
   * @throws PolycastError `not_found` for an event of a lost log, or of a removed channel
   */
  retryDeadLetters(id: string, event: EventPosition | undefined): Promise<number>;
  discardDeadLetters(id: string, event: EventPosition | undefined): Promise<number>;
}

/** Each operation with one more argument: its actor, for the audit log. */
type WithActor<Operations> = {
  readonly [Name in keyof Operations]: Operations[Name] extends (...given: infer Given) => infer Result
    ? (...given: [...Given, by: Actor]) => Result
    : never;
};

/**
 * Durable subscriptions, as HTTP routes see them. Example: `pause('sub_7', request.actor)` pauses
 * the subscription and writes an audit entry.
 */
export type SubscriptionService = SubscriptionReads & WithActor<SubscriptionOperations>;

/** How far a subscription is with an event. A done event has no more details here. */
export type DeliveryStatus = PendingDeliveryStatus | { readonly state: 'done' };

/** Status of an event that is not done. */
export interface PendingDeliveryStatus {
  /**
   * `waiting`: it is sent later, or again. `in_flight`: it was sent and has no outcome yet, or is
   * leased.
   */
  readonly state: 'waiting' | 'in_flight';
  /** Delivery attempts that were started, with the one in flight. */
  readonly tries: number;
  /** When a worker last received it, in milliseconds since 1970; `undefined` when unknown. */
  readonly leasedMs: number | undefined;
  /**
   * When its lease ends, or it is tried again, in milliseconds since 1970; `undefined` for neither.
   */
  readonly dueMs: number | undefined;
}

/** The events that a subscription has not done yet. */
export interface Backlog {
  /** Sent without an outcome yet, or leased. */
  readonly inFlight: number;
  /** Wait for their next attempt. */
  readonly failing: number;
  /** Taken up; they wait behind other events or for their turn. */
  readonly waiting: number;
  /** Number of dead letters. */
  readonly deadLetters: number;
  /** Age of the oldest event that is not done, in milliseconds. */
  readonly lagMs: number;
  /**
   * Events that are not done, including those not taken up. The number is too high until the events
   * that are not in memory have been counted.
   */
  readonly lagEvents: number;
  /** Positions from the subscription's position to the head. */
  readonly lagPositions: number;
  /**
   * When an event that failed is sent again, in milliseconds since 1970; `undefined` when no
   * attempt is planned.
   */
  readonly nextAttemptMs: number | undefined;
}

/** The content of a test delivery. */
export interface Sample {
  readonly channel: string;
  readonly type: string | undefined;
  /** JSON. */
  readonly data: string;
}

export interface ReplayRequest {
  readonly after: Position;
  /** One channel alone; `undefined`: all channels of the subscription. */
  readonly channel: string | undefined;
  /**
   * The position in a lost log after which it should begin, until the gap of that log is delivered.
   */
  readonly lost?: LostPosition | undefined;
}

export interface Replay extends ReplayRequest {
  readonly id: string;
  readonly through: Position;
  readonly reached: Position;
  readonly isDone: boolean;
}

/** An event's position, and the epoch of its log. An event id has both. */
export interface EventPosition {
  readonly epoch: string;
  readonly position: Position;
}

export interface DeadLettersQuery {
  readonly after?: EventPosition | undefined;
  readonly limit: number;
}

/** One attempt: one request to an endpoint, and its outcome. */
export interface Attempt {
  readonly subscription: string;
  /** Increases with every attempt of a hub. */
  readonly number: number;
  /** Epoch of the log that the positions are of. */
  readonly epoch: string;
  /**
   * The event's position; 0 for a verification, a sample or a gap. For a batch: the first event's.
   */
  readonly position: Position;
  /** For a batch: the positions of the other events, ascending. */
  readonly others: readonly Position[];
  /** True for a gap, which is no event, and for a batch with a gap in it. */
  readonly isGap: boolean;
  /** Number of events, with gaps. */
  readonly count: number;
  readonly attempt: number;
  readonly startedMs: number;
  readonly outcome: AttemptOutcome;
  readonly request: {
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly bodyBytes: number;
  };
  readonly answer: RecordedResponse | undefined;
  readonly timing: Timing;
  /** A text for a person. It never contains the response of a private address. */
  readonly detail: string;
}

/** The outcome of an attempt: the category that metrics, attempts and errors show. */
export const ATTEMPT_OUTCOMES = [
  'delivered',
  'refused_status',
  'gone',
  'slowed_down',
  'redirected',
  'timeout',
  'connection',
  'name_not_found',
  'destination',
  'certificate',
  'answer',
  'url',
  'request',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** A response, as far as it is stored. */
export interface RecordedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The first 16 KiB, as text. */
  readonly body: string;
  readonly isCut: boolean;
}

/**
 * The duration of each phase, in milliseconds. `undefined` for a phase that did not happen: a
 * reused connection needs no name lookup.
 */
export interface Timing {
  readonly nameMs: number | undefined;
  readonly connectMs: number | undefined;
  readonly tlsMs: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
}

/**
 * An event that could not be delivered after the last attempt. Its payload is in the log alone,
 * until retention deletes it or the log gets a new epoch.
 */
export interface DeadLetter {
  readonly subscription: string;
  /** Epoch of the event's log. */
  readonly epoch: string;
  readonly position: Position;
  readonly channel: string;
  readonly attempts: number;
  readonly sinceMs: number;
  /**
   * `deliveries`: leased too often. `channel_removed`: the subscription lost its channel before it
   * was delivered.
   */
  readonly outcome: AttemptOutcome | 'deliveries' | 'channel_removed';
  readonly detail: string;
}
