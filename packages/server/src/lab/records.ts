import { CLIENT_TRANSPORTS } from '@polycast/protocol';

/**
 * The records of the Lab's wires. A lane here is one transport, or the webhook, with its own wire.
 * It is not an ordering key. The page imports these types. The records travel as JSON over
 * `/lab/api/wire`.
 *
 * All times are milliseconds since 1970 with fractions, by the clock of the hub's machine.
 */
export type LaneName = (typeof CLIENT_TRANSPORTS)[number] | 'webhook';

export const LANES: readonly LaneName[] = [...CLIENT_TRANSPORTS.toReversed(), 'webhook'];

export const WIRE_FAULTS = ['cut', 'stall', 'slow'] as const;

/**
 * - `cut`: connections are reset, new ones too.
 * - `stall`: connections stay open, but no byte moves in either direction.
 * - `slow`: bytes arrive late and few at a time.
 */
export type WireFault = (typeof WIRE_FAULTS)[number];

export const RECEIVER_FAULTS = ['busy', 'failing'] as const;

/**
 * Faults of the webhook's receiver. `busy`: it takes seconds for each event. `failing`: it answers
 * 500.
 */
export type ReceiverFault = (typeof RECEIVER_FAULTS)[number];

export type Fault = WireFault | ReceiverFault;

/**
 * The actions on the hub, or on the processes of a cluster. `kill-hub`, `kill-broker`: one of them
 * is killed, and started again some seconds later.
 */
export const HUB_ACTIONS = ['restart', 'wipe', 'kill-hub', 'kill-broker'] as const;

export type HubAction = (typeof HUB_ACTIONS)[number];

/** An action begins, or has ended. */
export type HubChange = 'begins' | 'back' | 'failed';

/**
 * `up`: to the hub. `down`: to the browser. For a webhook the hub is the client, and `up` goes to
 * the receiver.
 */
export type Direction = 'up' | 'down';

export type WireRecord =
  | { readonly kind: 'open'; readonly lane: LaneName; readonly connection: number; readonly atMs: number }
  /** `bytes` has one byte per character (Latin-1), exactly as they passed. */
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
  /** A connection that was reset before any byte passed. */
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
  | { readonly kind: 'hub'; readonly action: HubAction; readonly change: HubChange; readonly atMs: number };

/** The side that closed a connection: its client, its server (`hub`), or a cut of the wire. */
export type CloseCause = 'client' | 'hub' | 'cut';

/** `GET /lab/api/config`. */
export interface LabConfig {
  readonly lanes: readonly { readonly name: LaneName; readonly port: number }[];
  /** The actions on the hub that the page offers. */
  readonly actions: readonly HubAction[];
  /** The signing secret of the fifth lane's webhook. */
  readonly secret: string;
  /** The users that may log in. Empty when the hub has users of its own to protect. */
  readonly people: readonly Person[];
}

/** The users of the Lab's own login. */
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

/** The wall clock of the hub's machine, in milliseconds since 1970 with fractions. */
export function nowMs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;
}
