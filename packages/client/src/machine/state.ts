import type { Gap, PollResponse, PolycastEvent, Problem } from '@polycast/protocol';

/** The means of reading, the best first. `tab` reads through another tab of the same browser. */
export type TransportName = 'tab' | 'websocket' | 'sse' | 'long-poll' | 'poll';

/** That which takes operations (PROTOCOL.md section 7.3); the others are opened anew when the channels or the token change. */
export const OPERATIONS_TRANSPORT: TransportName = 'websocket';

/** What never changes in the life of a connection. All times in milliseconds. */
export interface MachineSettings {
  /** In the order of preference; at least one. */
  readonly transports: readonly TransportName[];
  /** A stream that has not said `ready` by then is taken for one behind a buffering proxy; three times that, in the end. */
  readonly readyTimeoutMs: number;
  /** Silence is death after two heartbeats and this. */
  readonly heartbeatMarginMs: number;
  /** A stream that still delivers after this long was a good one: back-off and strikes begin anew. */
  readonly stableMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** How long after falling back a better transport is tried; doubles with each failure, up to the cap. */
  readonly probeBaseMs: number;
  readonly probeCapMs: number;
  /** A timer that fires so much too late means that the machine slept. */
  readonly sleepThresholdMs: number;
  /** How long a stream goes on without a subscription. */
  readonly lingerMs: number;
  /** Live events kept for a subscription that is catching up; beyond, they are polled for again. */
  readonly heldEventsMax: number;
  /** The channels of all subscriptions together; the hub's own limit (PROTOCOL.md section 4). */
  readonly channelsMax: number;
  /** Whether another token can be asked for. */
  readonly tokenRenewable: boolean;
}

/** Where a subscription that has no cursor yet wants to begin: `{}` is `now`. */
export interface Start {
  /** A cursor, `earliest` or `now`. */
  readonly after?: string | undefined;
  /** Begin with the last 1 to 1000 events. */
  readonly history?: number | undefined;
}

/**
 * A subscription, as the machine sees it.
 * - `new`: waits for a stream that it can be placed on
 * - `placing`: the stream was asked (PROTOCOL.md section 7.3) and has not answered
 * - `live`: the stream delivers to it
 * - `behind`: catches up by polls; what the stream brings meanwhile is held
 * - `joining`: has caught up, but the stream does not cover its channels yet, or not from its cursor
 * - `full`: its consumer's buffer is full; it falls behind until that has drained
 */
export type SubscriptionMode = 'new' | 'attaching' | 'live' | 'behind' | 'joining' | 'full';

export interface SubscriptionState {
  readonly id: number;
  readonly channels: readonly string[];
  /** Matches the names of the channels that these cover. */
  readonly matcher: RegExp;
  /** Only events of these types; all when undefined. */
  readonly types: readonly string[] | undefined;
  readonly start: Start;
  mode: SubscriptionMode;
  /** All that is meant for it up to here was delivered. Empty until it has a place in the log. Never goes back. */
  cursor: string;
  /** The furthest gap that it was told of, or that is none of its business. */
  gapTo: string;
  /** Events that its consumer can still take; Infinity for one that takes them at once. */
  capacity: number;
  /** The number of the poll of `behind` that is under way, 0 without one, */
  pollNumber: number;
  /** how far it has to speak at least for what is `held` to follow on, */
  catchUpThrough: string;
  /** and what the stream brought after that. Undefined: it was too much, or not seen throughout. */
  heldEvents: readonly PolycastEvent[] | undefined;
  /** When to try again, or to stop waiting for an answer; Infinity when nothing is awaited. */
  retryAtMs: number;
  wasLive: boolean;
  /** Whether its consumer was told that it has fallen behind. */
  lagging: boolean;
}

/** A stream that was opened and is not ready yet. */
export interface Attempt {
  readonly attempt: number;
  readonly transport: TransportName;
  readonly channels: readonly string[];
  /** The cursor that it resumes from; empty when it begins. */
  readonly from: string;
  /** It is given up if it is not ready by then. Infinity while it waits for its token, which comes, or ends it. */
  untilMs: number;
}

/** A stream opened beside the current one: for other channels, after a change of the network, with another token. */
export interface Successor extends Attempt {
  /** Only to see whether a better transport works: if it does not, the current one goes on. */
  readonly isProbe: boolean;
}

export interface Connecting extends Attempt {
  readonly kind: 'connecting';
  /** What is tried next if this fails. */
  readonly rest: readonly TransportName[];
}

export interface Open {
  readonly kind: 'open';
  readonly attempt: number;
  readonly transport: TransportName;
  readonly sinceMs: number;
  /** Whether it has delivered something after `stableMs`. */
  stable: boolean;
  readonly heartbeatMs: number;
  /** It is dead if nothing is heard until then. */
  untilMs: number;
  /** What the hub delivers on it. */
  channels: readonly string[];
  /** When a better transport is tried; Infinity on the best. */
  probeAtMs: number;
  /** Without a subscription, when it is closed. */
  lingerUntilMs: number;
  successor: Successor | undefined;
}

export type Phase =
  | { readonly kind: 'idle' }
  | Connecting
  | Open
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly why: string }
  | { readonly kind: 'closed'; readonly why: string; readonly problem: Problem | undefined };

/** Whether an attempt is under way, or its stream open. */
export function isStreaming(phase: Phase): phase is Connecting | Open {
  return (phase as Open).attempt !== undefined;
}

export type PhaseName = Phase['kind'];
export type PhaseOf<Name extends PhaseName> = Extract<Phase, { readonly kind: Name }>;

/** To be read only: a step copies what it changes. */
export interface State {
  readonly settings: MachineSettings;
  phase: Phase;
  subscriptions: SubscriptionState[];
  /** How far the stream has spoken; empty before the first. Never goes back. */
  position: string;
  /** The number of the last attempt or poll; each has its own. */
  attempts: number;
  /** The transport that delivered last; it is tried first. */
  provenTransport: TransportName | undefined;
  /** How often the proven transport failed since it was last stable. */
  provenFailures: number;
  /** Waits since a stream was last stable: the exponent of the back-off. */
  failures: number;
  /** Probes since the last stable stream on the best transport. */
  probes: number;
  /** The hub's word on when to come back (`retry:`, `draining`); 0 without one. */
  hintMs: number;
  /** Whether a refusal was already met with a new token. */
  retriedWithNewToken: boolean;
  /** Whether new members come one by one, because the hub refused several at once. */
  oneByOne: boolean;
}

/** How a transport ended. */
export type Ending =
  /** Refused connection, broken stream, an answer that no hub gives. */
  | { readonly kind: 'lost'; readonly why: string }
  /** The hub's refusal, by HTTP; `hintMs` is 0 when it named no time. */
  | { readonly kind: 'refused'; readonly problem: Problem; readonly hintMs: number }
  /** A WebSocket's close code (PROTOCOL.md section 7.4). */
  | { readonly kind: 'closed'; readonly code: number };

/** What a transport tells. `attempt` says which. */
export type TransportInput =
  /** It delivers. `cursor` is where it begins; empty when that is not known. */
  | { readonly kind: 'ready'; readonly attempt: number; readonly cursor: string; readonly heartbeatMs: number }
  /** Events in order, then how far the stream has spoken (undefined: to the last event). Neither: a sign of life, the first when it asks the hub. */
  | {
      readonly kind: 'events';
      readonly attempt: number;
      readonly events: readonly PolycastEvent[];
      readonly cursor: string | undefined;
    }
  | { readonly kind: 'gap'; readonly attempt: number; readonly gap: Gap }
  | { readonly kind: 'hint'; readonly attempt: number; readonly reconnectInMs: number }
  /** The stream does not have these channels any more: they are no longer allowed (PROTOCOL.md section 13.4). */
  | { readonly kind: 'dropped'; readonly attempt: number; readonly channels: readonly string[] }
  /** The stream's credentials are about to expire. */
  | { readonly kind: 'expiring'; readonly attempt: number }
  /** The stream has the channels of a member, from `cursor` on; or it refused them. */
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
  /** A consumer can take so many events now. */
  | { readonly kind: 'drained'; readonly id: number; readonly capacity: number }
  /** What a catch-up brought: an answer, or none. */
  | {
      readonly kind: 'polled';
      readonly id: number;
      readonly pollNumber: number;
      readonly result: PollResponse | Ending;
    }
  | { readonly kind: 'tick' }
  /** There is another token, before the present one has expired. */
  | { readonly kind: 'token' }
  /** The browser says that the network has gone, come back or changed. */
  | { readonly kind: 'network' }
  | { readonly kind: 'close' };

export type InputKind = Input['kind'];
export type InputOf<Kind extends InputKind> = Extract<Input, { readonly kind: Kind }>;

/** What a stream or a poll is asked for: with `history`, the last so many; else what comes after a place. */
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
  /** To ask the stream for channels, or to take them back (PROTOCOL.md section 7.3). */
  | { readonly kind: 'attach'; readonly attempt: number; readonly id: number; readonly channels: readonly string[] }
  | { readonly kind: 'remove'; readonly attempt: number; readonly channels: readonly string[] }
  /** To ask for another token while the present one holds; `token` says that it is there. */
  | { readonly kind: 'renew'; readonly attempt: number }
  /** To give it to the stream (PROTOCOL.md section 13.4). */
  | { readonly kind: 'auth'; readonly attempt: number }
  /** The present token is of no use any more: the next attempt needs another. */
  | { readonly kind: 'refuse' }
  /** To poll for what a member has missed. */
  | {
      readonly kind: 'catch-up';
      readonly subscription: SubscriptionState;
      readonly start: Start;
      readonly limit: number;
    }
  | { readonly kind: 'deliver'; readonly id: number; readonly events: readonly PolycastEvent[] }
  | { readonly kind: 'gap'; readonly id: number; readonly gap: Gap }
  /** The subscription has fallen behind its stream, or has caught up with it. */
  | { readonly kind: 'lag'; readonly id: number; readonly behind: boolean }
  | { readonly kind: 'joined'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly problem: Problem }
  | { readonly kind: 'state'; readonly phase: Phase };

/** The moment of a step: time and chance are arguments. */
export interface Moment {
  /** Milliseconds from any origin. */
  readonly nowMs: number;
  /** A number in [0, 1). */
  readonly chance: number;
}

/** The next state while a step is made, a copy that may be changed. */
export interface Draft extends State, Moment {
  readonly effects: Effect[];
}
