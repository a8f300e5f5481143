import type { CLIENT_TRANSPORTS, Gap, PollResponse, PolycastEvent, Problem } from '@polycast/protocol';

/**
 * A transport: the way in which a client reads. The best comes first. `tab` reads through another
 * tab of the same browser.
 */
export type TransportName = 'tab' | (typeof CLIENT_TRANSPORTS)[number];

/**
 * The transport that takes operations (PROTOCOL.md section 7.3). The client opens a new stream on
 * the other transports when its channels or its token change.
 */
export const OPERATIONS_TRANSPORT: TransportName = 'websocket';

/** Settings that never change in the life of a connection. All times are in milliseconds. */
export interface MachineSettings {
  /** In order of preference; at least one. */
  readonly transports: readonly TransportName[];
  /**
   * The time within which a stream has to send `ready`. After that, the client assumes a buffering
   * proxy and gives the attempt up. After failures this time grows, up to three times its value.
   */
  readonly readyTimeoutMs: number;
  /** A stream is dead after a silence of two heartbeats plus this time. */
  readonly heartbeatMarginMs: number;
  /**
   * A stream that still delivers after this time is stable: the counts for backoff and for failures
   * of the proven transport go back to 0.
   */
  readonly stableMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /**
   * The time from a fallback to the first probe of a better transport. It doubles with each
   * failure, up to `probeCapMs`.
   */
  readonly probeBaseMs: number;
  readonly probeCapMs: number;
  /** A timer that fires later than planned by more than this shows that the machine slept. */
  readonly sleepThresholdMs: number;
  /** The time for which a stream stays open without a subscription. */
  readonly lingerMs: number;
  /**
   * The most live events that the client holds for a subscription while it catches up. The client
   * polls again for events beyond this bound.
   */
  readonly heldEventsMax: number;
  /**
   * The most channels of all subscriptions together; the hub has the same limit (PROTOCOL.md
   * section 4).
   */
  readonly channelsMax: number;
  /** Whether the application can give another token (`getToken`). */
  readonly tokenRenewable: boolean;
}

/** The start of a subscription that has no cursor yet: `{}` is `now`. */
export interface Start {
  /** A cursor, `earliest` or `now`. */
  readonly after?: string | undefined;
  /** Begin with the last 1 to 1000 events. */
  readonly history?: number | undefined;
}

/**
 * The mode of a subscription in the machine.
 * - `new`: waits for a stream that it can attach to
 * - `attaching`: the client has asked the stream for its channels (PROTOCOL.md section 7.3) and
 *   waits for the answer
 * - `live`: receives its events from the stream
 * - `behind`: catches up by polls; the client holds the stream's events meanwhile
 * - `joining`: has caught up, but the stream does not cover its channels yet, or not from its
 *   cursor
 * - `full`: the buffer of its consumer is full; it falls further behind until the buffer has
 *   drained
 */
export type SubscriptionMode = 'new' | 'attaching' | 'live' | 'behind' | 'joining' | 'full';

export interface SubscriptionState {
  readonly id: number;
  readonly channels: readonly string[];
  /** Matches the names of the channels that `channels` covers. */
  readonly matcher: RegExp;
  /** Only events of these types; all when undefined. */
  readonly types: readonly string[] | undefined;
  readonly start: Start;
  mode: SubscriptionMode;
  /**
   * The subscription has received all its events up to this cursor. It is empty until the
   * subscription has a place in the log. It never goes back, except when the log was rolled back.
   */
  cursor: string;
  /**
   * The end of the furthest gap that the subscription has received, or that does not concern it
   * because it lies before its start.
   */
  gapTo: string;
  /**
   * The number of events that its consumer can still take; Infinity for a consumer that takes each
   * event immediately.
   */
  capacity: number;
  /** The number of the catch-up poll that is in flight in mode `behind`; 0 without one. */
  pollNumber: number;
  /**
   * The answer to the catch-up poll has to reach at least this cursor. Then `heldEvents` follow it
   * without a hole.
   */
  catchUpThrough: string;
  /**
   * The events that the stream has delivered since the catch-up poll was sent. Undefined: there
   * were more than `heldEventsMax`, or the client did not see all of them.
   */
  heldEvents: readonly PolycastEvent[] | undefined;
  /**
   * The time of the next try, or the end of the wait for an answer; Infinity when neither is due.
   */
  retryAtMs: number;
  wasLive: boolean;
  /** Whether its consumer has received the notice that it fell behind. */
  lagging: boolean;
}

/** An attempt: a stream that was opened and is not ready yet. */
export interface Attempt {
  readonly attempt: number;
  readonly transport: TransportName;
  readonly channels: readonly string[];
  /** The cursor that the stream resumes from; empty for a stream that begins now. */
  readonly resumesFrom: string;
  /**
   * The client gives the attempt up if it is not ready at this time. It is Infinity while the
   * attempt waits for its token: the token arrives, or its failure ends the attempt.
   */
  untilMs: number;
}

/**
 * A stream that is opened beside the current one, in order to replace it. The reason is other
 * channels, a change of the network, or another token.
 */
export interface Successor extends Attempt {
  /**
   * A probe tests whether a better transport works. If the probe fails, the current stream goes on.
   */
  readonly isProbe: boolean;
}

export interface Connecting extends Attempt {
  readonly kind: 'connecting';
  /** The transports to try next if this one fails. */
  readonly rest: readonly TransportName[];
}

export interface Open {
  readonly kind: 'open';
  readonly attempt: number;
  readonly transport: TransportName;
  readonly sinceMs: number;
  /** Whether the stream has delivered something after `stableMs`. */
  stable: boolean;
  readonly heartbeatMs: number;
  /** The stream is dead if it is silent until this time. */
  untilMs: number;
  /** The channels that the hub delivers on this stream. */
  channels: readonly string[];
  /** The time of the next probe of a better transport; Infinity on the best one. */
  probeAtMs: number;
  /** The time at which a stream without a subscription is closed. */
  lingerUntilMs: number;
  successor: Successor | undefined;
}

export type Phase =
  | { readonly kind: 'idle' }
  | Connecting
  | Open
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly why: string }
  | { readonly kind: 'closed'; readonly why: string; readonly problem: Problem | undefined };

/** Whether a phase has an attempt, in progress or open, or whether an input comes from one. */
export function hasAttempt<Value extends Phase | Input>(
  value: Value,
): value is Extract<Value, { readonly attempt: number }> {
  return (value as Partial<Attempt>).attempt !== undefined;
}

export type PhaseName = Phase['kind'];
export type PhaseOf<Name extends PhaseName> = Extract<Phase, { readonly kind: Name }>;

/** The state of the machine. Callers only read it; a step changes a copy. */
export interface State {
  readonly settings: MachineSettings;
  phase: Phase;
  subscriptions: SubscriptionState[];
  /**
   * The furthest cursor that a stream has reported; empty before the first stream. It never goes
   * back, except when the log was rolled back.
   */
  position: string;
  /** The number of the last attempt or poll; each has a number of its own. */
  attempts: number;
  /** The transport that delivered last; the client tries it first. */
  provenTransport: TransportName | undefined;
  /** The number of failures of the proven transport since it was last stable. */
  provenFailures: number;
  /** The number of waits since a stream last lasted for `stableMs`: the exponent of the backoff. */
  failures: number;
  /** The number of probes since the last stable stream on the best transport. */
  probes: number;
  /** The reconnect delay that the hub gave (`retry:`, `draining`); 0 without one. */
  hintMs: number;
  /** Whether the client has already answered a refusal with a new token. */
  retriedWithNewToken: boolean;
  /**
   * Whether the client adds new subscriptions one by one, because the hub refused several at once.
   */
  oneByOne: boolean;
}

/** The end of a transport, with its reason. */
export type Ending =
  /** A refused connection, a broken stream, or an answer that does not come from a hub. */
  | { readonly kind: 'lost'; readonly why: string }
  /** The hub's refusal, as a problem document; `hintMs` is 0 when the hub named no time. */
  | { readonly kind: 'refused'; readonly problem: Problem; readonly hintMs: number }
  /** A WebSocket's close code (PROTOCOL.md section 7.4). */
  | { readonly kind: 'closed'; readonly code: number };

/** An input from a transport. `attempt` is the number of its attempt. */
export type TransportInput =
  /**
   * The transport delivers from now on. `cursor` is its start; empty when the start is not known.
   */
  | { readonly kind: 'ready'; readonly attempt: number; readonly cursor: string; readonly heartbeatMs: number }
  /**
   * Events in order, then the furthest cursor of the stream (undefined: the id of the last event).
   * With neither, it is a sign of life; the first one says that the transport now asks the hub.
   */
  | {
      readonly kind: 'events';
      readonly attempt: number;
      readonly events: readonly PolycastEvent[];
      readonly cursor: string | undefined;
    }
  | { readonly kind: 'gap'; readonly attempt: number; readonly gap: Gap }
  | { readonly kind: 'hint'; readonly attempt: number; readonly reconnectInMs: number }
  /**
   * The stream no longer has these channels, because the client may no longer read them
   * (PROTOCOL.md section 13.4).
   */
  | { readonly kind: 'dropped'; readonly attempt: number; readonly channels: readonly string[] }
  /** The stream's credentials are about to expire. */
  | { readonly kind: 'expiring'; readonly attempt: number }
  /**
   * The answer to `attach`: the stream has the channels of subscription `id`, from `cursor` on, or
   * the hub refused them with `problem`.
   */
  | {
      readonly kind: 'attached';
      readonly attempt: number;
      readonly id: number;
      readonly cursor: string;
      readonly problem: Problem | undefined;
    }
  | { readonly kind: 'ended'; readonly attempt: number; readonly ending: Ending };

export type Input =
  | TransportInput
  | {
      readonly kind: 'subscribe';
      readonly id: number;
      readonly channels: readonly string[];
      readonly types: readonly string[] | undefined;
      readonly start: Start;
      readonly capacity: number;
    }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  /** A consumer can now take `capacity` events. */
  | { readonly kind: 'drained'; readonly id: number; readonly capacity: number }
  /** The end of a catch-up poll: its answer, or the reason why there is none. */
  | {
      readonly kind: 'polled';
      readonly id: number;
      readonly pollNumber: number;
      readonly result: PollResponse | Ending;
    }
  | { readonly kind: 'tick' }
  /** The application gave another token before the current one has expired. */
  | { readonly kind: 'token' }
  /** The browser reports that the network is gone, is back or has changed. */
  | { readonly kind: 'network' }
  | { readonly kind: 'close' };

export type InputKind = Input['kind'];
export type InputOf<Kind extends InputKind> = Extract<Input, { readonly kind: Kind }>;

/**
 * A request of a stream or a poll: with `history`, the last `history` events; otherwise the events
 * after a cursor.
 */
export interface OpenRequest {
  readonly channels: readonly string[];
  readonly after?: string | undefined;
  readonly history?: number | undefined;
}

export type Effect =
  | {
      readonly kind: 'open';
      readonly attempt: number;
      readonly transport: TransportName;
      readonly request: OpenRequest;
    }
  | { readonly kind: 'drop'; readonly attempt: number }
  /**
   * Asks the stream for channels (`attach`), or takes them back (`remove`) (PROTOCOL.md section
   * 7.3).
   */
  | { readonly kind: 'attach'; readonly attempt: number; readonly id: number; readonly channels: readonly string[] }
  | { readonly kind: 'remove'; readonly attempt: number; readonly channels: readonly string[] }
  /**
   * Asks the application for another token while the current one is valid. The input `token`
   * reports that it has arrived.
   */
  | { readonly kind: 'renew'; readonly attempt: number }
  /** Sends the new token to the stream (PROTOCOL.md section 13.4). */
  | { readonly kind: 'auth'; readonly attempt: number }
  /** The current token is no longer valid: the next attempt needs another one. */
  | { readonly kind: 'refuse' }
  /** Polls for the events that a subscription has missed. */
  | {
      readonly kind: 'catch-up';
      readonly subscription: SubscriptionState;
      readonly start: Start;
      readonly eventsMax: number;
    }
  | { readonly kind: 'deliver'; readonly id: number; readonly events: readonly PolycastEvent[] }
  | { readonly kind: 'gap'; readonly id: number; readonly gap: Gap }
  /** The subscription has fallen behind its stream, or has caught up with it. */
  | { readonly kind: 'lag'; readonly id: number; readonly behind: boolean }
  | { readonly kind: 'joined'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly problem: Problem }
  | { readonly kind: 'state'; readonly phase: Phase };

/** The moment of a step: the machine receives time and chance as arguments. */
export interface Moment {
  /** Milliseconds from any origin. */
  readonly nowMs: number;
  /** A number in [0, 1). */
  readonly chance: number;
}

/** The next state during a step: a copy that the step may change. */
export interface Draft extends State, Moment {
  readonly effects: Effect[];
}
