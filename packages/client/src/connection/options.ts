import type { ClientMessage, PolycastEvent, ServerMessage } from '@polycast/protocol';
import type { Connection } from './connection.ts';
import type { MachineSettings, OpenRequest, TransportName } from '../machine/state.ts';

/** Anything with the three methods of `sessionStorage`. */
export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** How hard to try. All times in milliseconds; what is left out has the default named. */
export interface TimingOptions {
  /** A stream that has not begun to deliver by then is given up for the next transport; up to three times that, when nothing has come to deliver. 5000. */
  readonly readyTimeoutMs?: number;
  /** Silence means a dead stream after two heartbeats of the hub and this. 5000. */
  readonly heartbeatMarginMs?: number;
  /** A stream that delivers after this long is a good one, and back-off begins anew. 10 000. */
  readonly stableMs?: number;
  /** Waiting before a new attempt is a random part of this, doubled with each failure, … 500. */
  readonly backoffBaseMs?: number;
  /** … up to this. 30 000. */
  readonly backoffCapMs?: number;
  /** How long after falling back a better transport is tried; doubled with each failure, … 30 000. */
  readonly probeBaseMs?: number;
  /** … up to this. 600 000. */
  readonly probeCapMs?: number;
  /** Between short polls. 5000. */
  readonly pollIntervalMs?: number;
  /** How long a publish is tried before it is rejected; while the browser says that it is offline, time stands still. 30 000. */
  readonly publishTimeoutMs?: number;
  /** How long `getToken` may take; later than this counts as a failure. 10 000. */
  readonly tokenTimeoutMs?: number;
}

export interface ConnectOptions extends TimingOptions {
  /** In the order of preference. `['websocket', 'sse', 'long-poll', 'poll']`. */
  readonly transports?: readonly Exclude<TransportName, 'tab'>[];
  /** Credentials that never change. Sent as `Authorization`; on a WebSocket as its first message. */
  readonly token?: string;
  /**
   * Asked for credentials when they are first needed, shortly before they expire, and when the hub has refused them; `undefined`,
   * or an empty text, stands for nobody. Those that it gave are kept in between, it is never asked twice at the same time, and when it rejects, or
   * has given nothing after `tokenTimeoutMs`, it is asked again later, after longer each time: `signal` aborts then. When those that it gave after a refusal
   * are refused as well, the connection closes.
   */
  readonly getToken?: (why: { readonly reason: TokenReason; readonly signal: AbortSignal }) => Token | Promise<Token>;
  /** `include`: cookies go along to a hub of another origin as well, which has to allow this page's. As for `fetch`. */
  readonly credentials?: RequestCredentials;
  /** What this connection publishes does not come back to it, reconnected or not (PROTOCOL.md section 13.7). */
  readonly excludeSelf?: boolean;
  /** Keeps the place of each subscription in `storage` under this key, so that a reloaded page goes on where it was. */
  readonly remember?: string;
  /** Where `remember` keeps it. `sessionStorage`, where there is one. */
  readonly storage?: CursorStorage;
  /** Tabs of one browser share one connection: `shareTabs(name)` of `@polycast/client/tabs`. */
  readonly share?: TabSharing | undefined;
  readonly fetch?: typeof fetch;
  readonly WebSocket?: typeof WebSocket;
}

type Token = string | null | undefined;

/** Why `getToken` is asked. `refused`: the last token has expired, or was never good, or has been revoked. */
export type TokenReason = 'first' | 'expiring' | 'refused';

/** How tabs share. */
export interface TabSharing {
  /**
   * Takes part, with those of the same hub.
   * @param connect makes the connection that all share, should this tab come to lead
   */
  join(url: string, connect: () => Connection): TabSession;
}

/** One tab's part. */
export interface TabSession {
  /** Reads through the tab that leads, in the messages of a WebSocket; `undefined` ends it. */
  open(
    request: OpenRequest,
    receive: (message: PolycastEvent | ServerMessage | undefined) => void,
  ): { send(message: ClientMessage): void; close(): void };
  end(): void;
}

export const DEFAULT_TRANSPORTS: readonly Exclude<TransportName, 'tab'>[] = ['websocket', 'sse', 'long-poll', 'poll'];

/** See PatienceOptions. */
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

/** Browsers let the timers of hidden pages fire up to a minute late; later than this is sleep. */
const SLEEP_THRESHOLD_MS = 90_000;
/** An effect of a page that subscribes to another channel ends and begins at once; the next view of it may take a moment. */
const LINGER_MS = 1000;
/** As many events as one poll brings: a second round is asked for rather than more kept. */
const HELD_EVENTS_MAX = 500;
/** PROTOCOL.md section 4. */
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
    tokenRenewable: options.getToken !== undefined,
  };
}
