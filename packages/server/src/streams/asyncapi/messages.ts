import type { ClientMessage, EventStreamName, ServerMessage } from '@polycast/protocol';
import * as z from 'zod';
import {
  anyValue,
  channel,
  count,
  cursor,
  cursorOr,
  eventType,
  pattern,
  problem,
  text,
  time,
} from '../../http/openapi/schemas.ts';
import { EVENT_STREAMS } from '../event-streams.ts';
import { event, gapMembers } from '../schemas.ts';

/**
 * The messages beside events on WebSockets, event streams and streams of JSON lines, as
 * `/asyncapi.json` describes them. Example: the message `ready` has the members `cursor`, `session`
 * and `heartbeatMs`. On a WebSocket it also has `"op":"ready"`. In an event stream it is the data
 * of the event `polycast.ready`.
 *
 * The types come from `packages/protocol/src/messages.ts`: the compiler rejects a table that omits
 * a message or a member, or has one too many.
 */
interface MessageDescription<Members extends PropertyKey> {
  readonly summary: string;
  /** The section of PROTOCOL.md. */
  readonly section: string;
  readonly members: () => Readonly<Record<Members, z.ZodType>>;
}

/** The members of a message without the envelope. */
type MembersOf<Message> = Exclude<keyof Message, 'op' | 'ref' | 'ok'>;

type Operation = ClientMessage['op'];
type OperationMembers<Op extends Operation> = MembersOf<Extract<ClientMessage, { readonly op: Op }>>;
type ControlName = Exclude<ServerMessage['op'], Operation>;
type ControlMembers<Op extends ControlName> = MembersOf<Extract<ServerMessage, { readonly op: Op }>>;
type AnswerMember = MembersOf<Extract<ServerMessage, { readonly op: Operation; readonly ok: true }>>;

const subscription = (): z.ZodString => text({ description: 'The id of a pull subscription.', examples: ['sub_7Yw2'] });
const leases = (): z.ZodType => z.array(z.string());
const credit = (): z.ZodType => count('How many further events the hub may send.');

/** The operations of a client, each with the members of its answer (PROTOCOL.md section 7.3). */
export const OPERATIONS: {
  readonly [Op in Operation]: MessageDescription<OperationMembers<Op>> & {
    readonly answer: () => Readonly<Partial<Record<AnswerMember, z.ZodType>>>;
  };
} = {
  subscribe: {
    summary: 'Subscribes to channels and patterns.',
    section: '7.3',
    members: () => ({
      channels: z.array(pattern()),
      after: cursorOr('earliest', 'now').optional(),
      history: count('Begin with the last N events of the new channels.').optional(),
    }),
    answer: () => ({ channels: z.array(z.string()), cursor: cursor() }),
  },
  unsubscribe: {
    summary: 'Ends the subscription to channels and patterns.',
    section: '7.3',
    members: () => ({ channels: z.array(pattern()) }),
    answer: () => ({ channels: z.array(z.string()) }),
  },
  publish: {
    summary: 'Publishes an event.',
    section: '7.3',
    members: () => ({
      channel: channel(),
      data: anyValue({ description: 'Any JSON value.' }),
      type: eventType().optional(),
      idempotencyKey: z.string().optional(),
      ifMatch: z.string().optional(),
      traceparent: text({ description: 'W3C Trace Context.' }).optional(),
      tracestate: z.string().optional(),
    }),
    answer: () => ({ id: cursor(), channel: channel(), time: time() }),
  },
  auth: {
    summary: 'Gives the connection new credentials.',
    section: '13.4',
    members: () => ({ token: z.string() }),
    answer: () => ({
      channels: z.array(z.string()),
      dropped: z.array(z.string()).optional(),
      expiresInMs: count().optional(),
    }),
  },
  ping: {
    summary: 'Asks for the current cursor.',
    section: '7.3',
    members: () => ({}),
    answer: () => ({ cursor: cursor() }),
  },
  pull: {
    summary: 'Requests events of a pull subscription, up to a credit.',
    section: '14.6',
    members: () => ({ subscription: subscription(), credit: credit(), leaseSeconds: count().optional() }),
    answer: () => ({ credit: credit() }),
  },
  credit: {
    summary: 'Adds to the credit of a pull.',
    section: '14.6',
    members: () => ({ subscription: subscription(), credit: credit() }),
    answer: () => ({ credit: credit() }),
  },
  ack: {
    summary: 'Acknowledges leased events: `leases`, or all `through` a cursor.',
    section: '14.6',
    members: () => ({
      subscription: subscription(),
      leases: leases().optional(),
      through: cursor().optional(),
      credit: credit().optional(),
    }),
    answer: () => ({ count: count(), notHeld: leases(), credit: credit().optional() }),
  },
  nack: {
    summary: 'Gives leased events back.',
    section: '14.6',
    members: () => ({
      subscription: subscription(),
      leases: leases(),
      delaySeconds: count().optional(),
      credit: credit().optional(),
    }),
    answer: () => ({ count: count(), notHeld: leases(), credit: credit().optional() }),
  },
  extend: {
    summary: 'Extends or shortens leases.',
    section: '14.6',
    members: () => ({ subscription: subscription(), leases: leases(), leaseSeconds: count().optional() }),
    answer: () => ({ count: count(), notHeld: leases(), leaseEnds: time() }),
  },
};

/** The transports that keep a response or a connection open. */
export type StreamName = 'websocket' | EventStreamName;

const EVENT_STREAM_NAMES = Object.keys(EVENT_STREAMS) as readonly EventStreamName[];
export const EVERY_STREAM: readonly StreamName[] = ['websocket', ...EVENT_STREAM_NAMES];

/** The messages that the hub sends by itself, and the transports that carry each. */
export const CONTROL_MESSAGES: {
  readonly [Op in ControlName]: MessageDescription<ControlMembers<Op>> & { readonly transports: readonly StreamName[] };
} & { readonly closing: MessageDescription<'code'> & { readonly transports: readonly StreamName[] } } = {
  ready: {
    summary: 'The first message of a stream.',
    section: '7.1',
    transports: EVERY_STREAM,
    members: () => ({ cursor: cursor(), session: z.string(), heartbeatMs: count() }),
  },
  gap: {
    summary: 'Events between two cursors can no longer be delivered.',
    section: '2.3',
    transports: EVERY_STREAM,
    members: gapMembers,
  },
  heartbeat: {
    summary: 'The hub has sent nothing else for a while. The cursor may have moved.',
    section: '6.4',
    transports: EVERY_STREAM,
    members: () => ({ cursor: cursor() }),
  },
  draining: {
    summary: 'The hub stops. Reconnect after this time.',
    section: '11',
    transports: EVERY_STREAM,
    members: () => ({ reconnectInMs: count() }),
  },
  expiring: {
    summary: 'The credentials of the session end after this time.',
    section: '13.4',
    transports: EVERY_STREAM,
    members: () => ({ inMs: count() }),
  },
  closing: {
    summary: 'The session has lost its access, and ends.',
    section: '13.4',
    transports: EVENT_STREAM_NAMES,
    members: () => ({ code: z.string() }),
  },
  dropped: {
    summary: 'The session has lost its access to some channels.',
    section: '13.4',
    transports: ['websocket'],
    members: () => ({ channels: z.array(z.string()), code: z.literal('forbidden') }),
  },
  delivery: {
    summary: 'A leased event of a pull subscription.',
    section: '14.6',
    transports: ['websocket'],
    members: () => ({
      subscription: subscription(),
      lease: z.string(),
      delivery: count('The number of this delivery, from 1.'),
      leaseEnds: time(),
      traceparent: text({ description: 'W3C Trace Context of the publish.' }).optional(),
      tracestate: z.string().optional(),
      event: event(),
    }),
  },
  pulled: {
    summary: 'A pull has ended without a request of the client.',
    section: '14.6',
    transports: ['websocket'],
    members: () => ({ subscription: subscription(), code: z.string() }),
  },
  error: {
    summary: 'The hub has received a message that is not an operation.',
    section: '7.5',
    transports: ['websocket'],
    members: () => ({ error: problem() }),
  },
};
