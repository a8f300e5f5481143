/**
 * What the rooms that have to do with subscriptions ask of each other: `subscriptions/` (HTTP) and the transports ask
 * `SubscriptionDesk` and `PullDesk`, which `deliveries/` answers; this asks `SubscriptionStore` and `Sender`.
 */

import type { PolycastError } from '@polycast/protocol';
import type { Actor, Position, StoredRecord } from '../../core/ports.ts';
import type { LostPosition, OpenEvent, SubscriptionDefinition, SubscriptionStatus } from './definition.ts';

export interface Subscription {
  readonly definition: SubscriptionDefinition;
  readonly status: SubscriptionStatus;
}

/** A definition still without what the hub gives it. */
export type NewSubscription = Omit<SubscriptionDefinition, 'id' | 'version' | 'createdMs' | 'changedMs'> & {
  /** Where it begins. */
  readonly cursor: Position;
  /** The place in a log that is no more which it was to begin after: it is told of that first. */
  readonly lost?: LostPosition | undefined;
  /** Needs no consent: an administrator's setting trusts the endpoint, or it is for pull. */
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
  /** Where `delivery` has another URL: it needs no consent. */
  readonly isTrusted?: boolean;
};

/** Durable subscriptions, as those see them who ask by HTTP. Everything that resolves is durable. */
export interface SubscriptionService {
  /**
   * Verifies the endpoint unless it is trusted: in the call itself for REST Hooks, else the subscription is `pending` until it is.
   * @throws PolycastError `subscription_limit`, `idempotency_key_reused`, `endpoint_refused`, `log_full`, `log_unavailable`
   */
  create(
    options: NewSubscription,
    by: Actor,
  ): Promise<{ readonly subscription: Subscription; readonly isNew: boolean }>;
  get(id: string): Subscription | undefined;
  /** In the order of their ids; after an id. */
  list(query: {
    readonly after: string;
    readonly limit: number;
    predicate(subscription: Subscription): boolean;
  }): readonly Subscription[];
  /** The one of a dialect with this callback and channel: WebSub's key, REST Hooks' twin. */
  find(dialect: 'websub' | 'rest-hooks', url: string, channel: string): Subscription | undefined;
  /** @throws PolycastError `not_found`, `precondition_failed` when `version` is not the present one */
  change(id: string, changes: SubscriptionChanges, version: number | undefined, by: Actor): Promise<Subscription>;
  pause(id: string, by: Actor): Promise<Subscription>;
  resume(id: string, by: Actor): Promise<Subscription>;
  /** Ends it with a reason and forgets it, with all that hangs on it. */
  remove(id: string, by: Actor): Promise<void>;
  /**
   * Sends a sample at once, beside the live flow, marked as a test in its data, and tells how that went.
   * @throws PolycastError `subscription_not_active` while its endpoint has not consented, once it has ended, and for pull
   */
  test(id: string, sample: Sample, by: Actor): Promise<Attempt>;
  /** Both secrets sign until the overlap is over. */
  rotateSecret(id: string, secret: string, overlapMs: number, by: Actor): Promise<Subscription>;
  /** Sends once more what the log has, from after a position up to where the subscription stands now, beside the live flow. */
  replay(id: string, request: ReplayRequest, by: Actor): Promise<Replay>;
  replays(id: string): readonly Replay[];
  attempts(
    id: string,
    query: { readonly before: number; readonly limit: number; readonly event?: EventPosition },
  ): Promise<readonly Attempt[]>;
  /** In the order of their ids; after one. */
  deadLetters(id: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]>;
  /**
   * One, or all that are of this log; says how many.
   * @throws PolycastError `not_found` for one of a log that is no more
   */
  retryDeadLetters(id: string, event: EventPosition | undefined, by: Actor): Promise<number>;
  discardDeadLetters(id: string, event: EventPosition | undefined, by: Actor): Promise<number>;
  /** Which subscriptions have got an event, of this log or one before, when, and after how many tries. */
  trace(event: EventPosition): Promise<readonly Attempt[]>;
  /** How far a subscription is with an event; `undefined` when it does not mean it. */
  deliveryStatus(id: string, record: StoredRecord): DeliveryStatus | undefined;
  /** What is ahead of a subscription, and how it does. */
  backlog(id: string): Backlog;
  /** Workers' side of the pull subscriptions. */
  readonly pullConsumer: PullConsumer;
}

/** How far a subscription is with an event. Of what is done nothing else is known here. */
export type DeliveryStatus = PendingDeliveryStatus | { readonly state: 'done' };

/** What is known of an event that is not done. */
export interface PendingDeliveryStatus {
  /** `waiting`: it comes later, or again. `under_way`: it has been sent and not answered, or is leased. */
  readonly state: 'waiting' | 'in_flight';
  /** Deliveries that were begun, with the one that is under way. */
  readonly tries: number;
  /** When a worker was last given it, as far as that is known. */
  readonly leasedMs: number | undefined;
  /** When its lease ends, or it is tried again; `undefined` for neither. */
  readonly dueMs: number | undefined;
}

/** What is ahead of a subscription, in events. */
export interface Backlog {
  /** Sent and not answered, or leased. */
  readonly inFlight: number;
  /** For their next attempt. */
  readonly failing: number;
  /** Taken up, and behind others or for their turn. */
  readonly waiting: number;
  /** Given up on. */
  readonly deadLetters: number;
  /** How old the oldest one is that is not done. */
  readonly lagMs: number;
  /** Those that are not done, with those that are not taken up; of the latter too many until those that are not in memory have been counted. */
  readonly lagEvents: number;
  /** What is not taken up alone. */
  readonly lagPositions: number;
}

/** What a sample is made of. */
export interface Sample {
  readonly channel: string;
  readonly type: string | undefined;
  /** JSON. */
  readonly data: string;
}

export interface ReplayRequest {
  readonly after: Position;
  /** One channel alone, or all that the subscription means. */
  readonly channel: string | undefined;
  /** The place in a log that is no more which it was to begin after, as long as that has not been told. */
  readonly lost?: LostPosition | undefined;
}

export interface Replay extends ReplayRequest {
  readonly id: string;
  readonly through: Position;
  readonly reached: Position;
  readonly isDone: boolean;
}

/** An event's place, and the log that it is of: what its id says. */
export interface EventPosition {
  readonly epoch: string;
  readonly position: Position;
}

export interface DeadLettersQuery {
  readonly after?: EventPosition | undefined;
  readonly limit: number;
}

/** One try, and what came of it. */
export interface Attempt {
  readonly subscription: string;
  /** Rises with every attempt of a hub. */
  readonly number: number;
  /** Of the log that the places are of. */
  readonly epoch: string;
  /** The event's place; 0 for a verification, a sample, or a gap. Of a batch, the first one's. */
  readonly position: Position;
  /** Of a batch, the places of the other events, rising. */
  readonly others: readonly Position[];
  /** It told of events that are lost: a gap, which is no event, or a batch with one in it. */
  readonly isGap: boolean;
  /** Of how many events, gaps among them. */
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
  /** Words for a person; never what an address inside has said. */
  readonly detail: string;
}

/** What became of an attempt: the category that metrics, attempts and errors name. */
export type AttemptOutcome =
  | 'delivered'
  | 'refused_status'
  | 'gone'
  | 'slowed_down'
  | 'redirected'
  | 'timeout'
  | 'connection'
  | 'name_not_found'
  | 'destination'
  | 'certificate'
  | 'answer'
  | 'url'
  | 'request';

/** A response, as far as it is kept. */
export interface RecordedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The first 16 KiB, as text. */
  readonly body: string;
  readonly isCut: boolean;
}

/** Where the time went, in milliseconds; `undefined` for what did not happen: a connection that was there needs no name. */
export interface Timing {
  readonly nameMs: number | undefined;
  readonly connectMs: number | undefined;
  readonly tlsMs: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
}

/** An event that was given up on. Its payload is the log's, as long as retention keeps it and the log is this one. */
export interface DeadLetter {
  readonly subscription: string;
  /** Of the log that it is of. */
  readonly epoch: string;
  readonly position: Position;
  readonly channel: string;
  readonly attempts: number;
  readonly sinceMs: number;
  /** `deliveries`: leased too often. `channel_removed`: its channel was taken from the subscription before it was delivered. */
  readonly outcome: AttemptOutcome | 'deliveries' | 'channel_removed';
  readonly detail: string;
}

/** What workers do with a pull subscription (PROTOCOL.md section 14.6). */
export interface PullConsumer {
  /**
   * Up to `countMax` events, each with a lease; waits up to `waitMs` (Infinity: for ever) for the first one, or until the signal. May come
   * back empty.
   * @throws PolycastError `not_found`, `subscription_not_active`, also while it waits
   */
  pull(subscription: string, options: PullOptions, signal: CancelSignal): Promise<readonly LeasedEvent[]>;
  /**
   * Tells, once or more often, that it cannot be pulled from any more, and why: `not_found`, `subscription_not_active`. Gives what ends that.
   * @throws PolycastError `not_found`, `subscription_not_active`
   */
  watch(subscription: string, onClosed: (error: PolycastError) => void): () => void;
  /** How it went with each lease. */
  acknowledge(subscription: string, leases: readonly string[]): readonly LeaseOutcome[];
  /** All of this worker's, or anybody's, up to and with a position. Says how many. */
  acknowledgeThrough(subscription: string, position: Position): number;
  release(subscription: string, leases: readonly string[], delayMs: number): readonly LeaseOutcome[];
  /** They never got to a worker: they are given out again at once, and that they were does not count. */
  returnUndelivered(subscription: string, leases: readonly string[]): void;
  extend(subscription: string, leases: readonly string[], leaseMs: number): readonly LeaseOutcome[];
}

/** An `AbortSignal`, as far as it is needed here. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface PullOptions {
  /** Read anew whenever there is something: who waits may come to want more, or fewer. */
  readonly countMax: number;
  /** In bodies; one event always comes. */
  readonly bytesMax: number;
  readonly waitMs: number;
  readonly leaseMs: number | undefined;
}

export interface LeasedEvent {
  readonly lease: string;
  readonly position: Position;
  /** The event's JSON from after its `id` to its end, as in `StoredRecord`. */
  readonly body: Uint8Array;
  /** 1 for the first time. */
  readonly delivery: number;
  readonly leaseEndsMs: number;
}

/** `not_held`: it has ended, was given back, or never was. */
export type LeaseOutcome = 'ok' | 'not_held';

/**
 * What is kept of subscriptions, in the data folder, beside the log and with a schema of its own. A change to a subscription that
 * has been removed, or never was, is none.
 */
export interface SubscriptionStore {
  /** Of the log that the positions are of, as `epoch` was last written; `undefined` in a new store. */
  readonly epoch: string | undefined;
  /** The highest number of an attempt that was kept at opening: the next ones go on from there. */
  readonly lastAttempt: number;
  /** At opening, acknowledged changes were missing: it stands where it stood before them. */
  readonly hasLostCommits: boolean;
  /** Why nothing can be written at present, if so. What is noted is kept, and tried again by itself. */
  readonly unavailable: 'log_unavailable' | 'log_full' | undefined;
  /** More has been noted than may wait for the disk: nothing new may be taken up until this is false again. */
  readonly isOverloaded: boolean;
  /** Everything there was at opening; read once. */
  load(): Iterable<StoredSubscription>;
  /** Whether an attempt would be kept: of thousands of successes a second only samples are, and need not be put together. */
  keepsAttempt(subscription: string, isDelivered: boolean): boolean;
  /** All of it or nothing, durably, together with what else comes at about that time. In the order of the calls, with `note` too. */
  write(changes: readonly StoreChange[]): Promise<void>;
  /**
   * The same without waiting: soon, in order, what is in one call never apart. What fails is told once by `onTrouble` (an option at
   * opening), kept, and tried again; attempts are let go of first.
   */
  enqueue(changes: readonly StoreChange[]): void;
  attempts(query: {
    readonly subscription?: string;
    /** Only those that were of it, in a batch or alone. */
    readonly event?: EventPosition;
    readonly before: number;
    readonly limit: number;
  }): Promise<readonly Attempt[]>;
  /** In the order of their ids: those of the oldest log first. */
  deadLetters(subscription: string, query: DeadLettersQuery): Promise<readonly DeadLetter[]>;
  /** Bytes, commits, changes: numbers since opening. */
  metrics(): Readonly<Record<string, number>>;
  /** Writes what is left, then closes. */
  close(): Promise<void>;
}

export interface StoredSubscription extends Subscription {
  readonly open: readonly OpenEvent[];
  readonly deadLetters: number;
  /** Those that are not done. */
  readonly replays: readonly Replay[];
}

export type StoreChange =
  | { readonly kind: 'definition'; readonly definition: SubscriptionDefinition }
  | { readonly kind: 'status'; readonly subscription: string; readonly status: SubscriptionStatus }
  | { readonly kind: 'removed'; readonly subscription: string }
  | { readonly kind: 'open'; readonly subscription: string; readonly event: OpenEvent }
  | { readonly kind: 'closed'; readonly subscription: string; readonly position: Position }
  | { readonly kind: 'replay'; readonly subscription: string; readonly replay: Replay }
  | { readonly kind: 'replay_gone'; readonly subscription: string; readonly id: string }
  | { readonly kind: 'attempt'; readonly attempt: Attempt }
  | { readonly kind: 'dead_letter'; readonly deadLetter: DeadLetter }
  | {
      readonly kind: 'dead_letter_gone';
      readonly subscription: string;
      readonly epoch: string;
      readonly position: Position;
    }
  /** From here on positions are of this log. */
  | { readonly kind: 'epoch'; readonly epoch: string };

/** Sends a request to somebody's address, within the guard. Never rejects: a failure is an outcome. */
export interface Sender {
  send(request: SendRequest): Promise<SendResult>;
  /** What speaks against an address, as far as it can be told without asking anybody: its form, a literal address, its port. */
  urlProblem(url: string): Refusal | undefined;
  /** Connections at present, those among them that nothing goes over, and requests that wait for one. */
  readonly metrics: { readonly open: number; readonly idle: number; readonly waiting: number };
}

/** Why nothing came back. The words are for a person, and tell nothing from inside. */
export interface Refusal {
  readonly failure: Exclude<AttemptOutcome, 'delivered' | 'refused_status' | 'gone' | 'slowed_down' | 'redirected'>;
  readonly detail: string;
}

export interface SendRequest {
  readonly url: string;
  readonly method: 'POST' | 'GET' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** The one deadline over the whole exchange. */
  readonly timeoutMs: number;
}

export interface SendResult {
  /** `undefined` when there was an answer, of whatever status. */
  readonly failure: Refusal['failure'] | undefined;
  readonly detail: string;
  readonly answer: RecordedResponse | undefined;
  /** It went to no public address: what was answered is for those who run the hub, and is left out of an `Attempt`. */
  readonly isPrivateAddress: boolean;
  readonly timing: Timing;
}
