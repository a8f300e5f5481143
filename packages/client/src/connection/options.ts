import type { ClientMessage, PolycastEvent, ServerMessage } from '@polycast/protocol';
import type { Connection } from './interface.ts';
import type { TokenReason } from '../http.ts';
import type { MachineSettings, OpenRequest, TransportName } from '../machine/state.ts';

/** An object with the three methods of `sessionStorage`. */
export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Timeouts and intervals. All times are in milliseconds; each comment ends with the default. */
export interface TimingOptions {
  /**
   * The time within which a stream has to begin to deliver. After that, the client tries the next
   * transport. It is up to three times longer after repeated failures. 5000.
   */
  readonly readyTimeoutMs?: number;
  /** A stream is dead after a silence of two heartbeats of the hub plus this time. 5000. */
  readonly heartbeatMarginMs?: number;
  /** A stream that delivers after this time is stable, and the backoff begins anew. 10 000. */
  readonly stableMs?: number;
  /**
   * The wait before a new attempt is a random part of this time. It is doubled with each of two
   * failures, and then grows with the outage, … 500.
   */
  readonly backoffBaseMs?: number;
  /** … up to this. 30 000. */
  readonly backoffCapMs?: number;
  /**
   * The time from a fallback to the first probe of a better transport, doubled with each probe, …
   * 30 000.
   */
  readonly probeBaseMs?: number;
  /** … up to this. 600 000. */
  readonly probeCapMs?: number;
  /** The time between short polls. 5000. */
  readonly pollIntervalMs?: number;
  /**
   * The time for which a publish is tried before it rejects. The time while the browser reports
   * that it is offline does not count. 30 000.
   */
  readonly publishTimeoutMs?: number;
  /** The time `getToken` may take; after that it counts as failed. 10 000. */
  readonly tokenTimeoutMs?: number;
}

export interface ConnectOptions extends TimingOptions {
  /** The transports in order of preference. `['websocket', 'sse', 'long-poll', 'short-poll']`. */
  readonly transports?: readonly Exclude<TransportName, 'tab'>[];
  /**
   * Credentials that never change. Sent in the header `Authorization`; on a WebSocket in its first
   * message.
   */
  readonly token?: string;
  /**
   * Gives the credentials. The client calls it when it first needs them, shortly before they
   * expire, and when the hub has refused them. `undefined`, `null` or an empty text is an anonymous
   * client.
   *
   * The client stores the credentials between calls, and never has two calls in progress. A call
   * fails when it rejects or gives nothing after `tokenTimeoutMs`; then `signal` aborts. After a
   * failure the client calls it again, with a growing wait. If the hub also refuses the credentials
   * that it gave after a refusal, the connection closes.
   */
  readonly getToken?: (why: { readonly reason: TokenReason; readonly signal: AbortSignal }) => Token | Promise<Token>;
  /**
   * As for `fetch`. `include` sends cookies to a hub of another origin as well; that hub has to
   * allow the origin of this page.
   */
  readonly credentials?: RequestCredentials;
  /**
   * This connection does not receive the events that it publishes, even after a reconnect
   * (PROTOCOL.md section 13.7).
   */
  readonly excludeSelf?: boolean;
  /**
   * Stores the cursor of each subscription in `storage` under this key. A reloaded page resumes
   * from it.
   */
  readonly remember?: string;
  /** The storage for `remember`. The default is `sessionStorage`, where there is one. */
  readonly storage?: CursorStorage;
  /** Tabs of one browser share one connection: `shareTabs(name)` of `@polycast/client/tabs`. */
  readonly share?: TabSharing | undefined;
  readonly fetch?: typeof fetch;
  readonly WebSocket?: typeof WebSocket;
}

type Token = string | null | undefined;

/** The way in which tabs share a connection. */
export interface TabSharing {
  /**
   * Joins the tabs of the same hub.
   * @param connect makes the shared connection, if this tab becomes the leader
   */
  join(url: string, connect: () => Connection): TabSession;
}

/** One tab's membership in the group. */
export interface TabSession {
  /** Reads through the leading tab, in the messages of a WebSocket; `undefined` ends the stream. */
  open(
    request: OpenRequest,
    receive: (message: PolycastEvent | ServerMessage | undefined) => void,
  ): { send(message: ClientMessage): void; close(): void };
  end(): void;
}

/** The defaults of TimingOptions. */
const TIMING_DEFAULTS: Required<Omit<TimingOptions, 'tokenTimeoutMs'>> = {
  readyTimeoutMs: 5000,
  heartbeatMarginMs: 5000,
  stableMs: 10_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  probeBaseMs: 30_000,
  probeCapMs: 600_000,
  pollIntervalMs: 5000,
  publishTimeoutMs: 30_000,
};

/**
 * Browsers delay the timers of hidden pages by up to a minute. A longer delay shows that the
 * machine slept.
 */
const SLEEP_THRESHOLD_MS = 90_000;
/**
 * A page's effect that changes its channel ends one subscription and begins the next immediately.
 * The next view of the page may take a moment longer.
 */
const LINGER_MS = 1000;
/**
 * The number of events in one catch-up poll: beyond it, a second poll costs less than more memory.
 */
const HELD_EVENTS_MAX = 500;
/** The limit of PROTOCOL.md section 4. */
const CHANNELS_MAX = 100;

export type Settings = MachineSettings & Required<Omit<TimingOptions, 'tokenTimeoutMs'>>;

export function settingsOf(options: ConnectOptions, transports: readonly TransportName[]): Settings {
  return {
    ...TIMING_DEFAULTS,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
    transports,
    sleepThresholdMs: SLEEP_THRESHOLD_MS,
    lingerMs: LINGER_MS,
    heldEventsMax: HELD_EVENTS_MAX,
    channelsMax: CHANNELS_MAX,
    tokenRenewable: Boolean(options.getToken),
  };
}
