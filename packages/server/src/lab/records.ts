/**
 * What the Lab tells of a lane's wire. The page imports these types; the records travel as JSON over `/lab/api/wire`.
 * All times are milliseconds since 1970 with fractions, by the clock of the machine that runs the hub.
 */
export const LANES = ['short-poll', 'long-poll', 'sse', 'websocket', 'webhook'] as const;

export type LaneName = (typeof LANES)[number];

export const WIRE_FAULTS = ['cut', 'stall', 'slow'] as const;

/**
 * `cut`: connections are reset, and new ones too. `stall`: connections stay, but not a byte moves, either way. `slow`:
 * bytes arrive late and few at a time.
 */
export type WireFault = (typeof WIRE_FAULTS)[number];

export const RECEIVER_FAULTS = ['busy', 'failing'] as const;

/** Of the webhook's receiver. `busy`: it takes seconds for each event. `failing`: it answers 500. */
export type ReceiverFault = (typeof RECEIVER_FAULTS)[number];

export type Fault = WireFault | ReceiverFault;

export type HubChange = 'restarting' | 'wiping' | 'back' | 'failed';

/** `up` goes to the hub, `down` to the browser; of a webhook, where the hub asks, `up` goes to the receiver. */
export type Direction = 'up' | 'down';

export type WireRecord =
  | { readonly kind: 'open'; readonly lane: LaneName; readonly connection: number; readonly atMs: number }
  /** `bytes` holds one byte a character (Latin-1), exactly as they passed. */
  | {
      readonly kind: 'bytes';
      readonly lane: LaneName;
      readonly connection: number;
      readonly direction: Direction;
      readonly atMs: number;
      readonly bytes: string;
    }
  | {
      readonly kind: 'close';
      readonly lane: LaneName;
      readonly connection: number;
      readonly atMs: number;
      readonly by: CloseCause;
    }
  /** A connection that was reset before a byte had passed. */
  | { readonly kind: 'refused'; readonly lane: LaneName; readonly atMs: number; readonly by: CloseCause }
  | {
      readonly kind: 'fault';
      readonly lane: LaneName;
      readonly fault: Fault;
      readonly atMs: number;
      readonly untilMs: number;
    }
  /** The webhook's receiver has handled an event. */
  | {
      readonly kind: 'received';
      readonly lane: 'webhook';
      readonly atMs: number;
      readonly channel: string;
      readonly type: string | undefined;
      readonly data: unknown;
    }
  | { readonly kind: 'healed'; readonly lane: LaneName; readonly fault: Fault; readonly atMs: number }
  | { readonly kind: 'hub'; readonly change: HubChange; readonly atMs: number };

/** By whom a connection was closed: who opened it, who answers on it, or a cut of the wire. */
export type CloseCause = 'client' | 'hub' | 'cut';

/** `GET /lab/api/config`. */
export interface LabConfig {
  readonly lanes: readonly { readonly name: LaneName; readonly port: number }[];
  /** What the page may ask of the hub itself. */
  readonly actions: readonly ('restart' | 'wipe')[];
  /** What the webhook of the fifth lane is to be signed with. */
  readonly secret: string;
  /** Whom it lets log in; nobody where the hub has users of its own to protect. */
  readonly people: readonly Person[];
}

/** Whom the Lab's own login knows. */
export const PEOPLE = [
  { name: 'ada', title: 'Ada' },
  { name: 'bo', title: 'Bo' },
] as const;

export type Person = (typeof PEOPLE)[number];
export type PersonName = Person['name'];

/** `POST /lab/api/login`, `{"user": PersonName}`. */
export interface Login {
  readonly token: string;
  readonly lifeSeconds: number;
}

/** The hub machine's wall clock with fractions of a millisecond. */
export function nowMs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;
}
