import type { ErrorCode, Problem } from './errors.ts';
import type { Gap, PolycastEvent } from './event.ts';

/**
 * The JSON messages beside events on a WebSocket (PROTOCOL.md section 7). Every message has `op`;
 * no event has it. An operation of the client carries a `ref` of its choice, and gets exactly one
 * answer with the same `op` and `ref`. For example,
 * `{"op":"subscribe","ref":1,"channels":["orders.>"]}`.
 */
export type ClientMessage =
  | {
      readonly op: 'subscribe';
      readonly ref?: Ref;
      readonly channels: readonly string[];
      readonly after?: string;
      readonly history?: number;
    }
  | { readonly op: 'unsubscribe'; readonly ref?: Ref; readonly channels: readonly string[] }
  | {
      readonly op: 'publish';
      readonly ref?: Ref;
      readonly channel: string;
      readonly data: unknown;
      readonly type?: string;
      readonly idempotencyKey?: string;
      readonly ifMatch?: string;
      readonly traceparent?: string;
      readonly tracestate?: string;
    }
  | { readonly op: 'auth'; readonly ref?: Ref; readonly token: string }
  | { readonly op: 'ping'; readonly ref?: Ref }
  | PullMessage;

/** The operations of a worker (PROTOCOL.md section 14.6). */
export type PullMessage =
  | {
      readonly op: 'pull';
      readonly ref?: Ref;
      readonly subscription: string;
      readonly credit: number;
      readonly leaseSeconds?: number;
    }
  | { readonly op: 'credit'; readonly ref?: Ref; readonly subscription: string; readonly credit: number }
  | {
      readonly op: 'ack';
      readonly ref?: Ref;
      readonly subscription: string;
      /** Either `leases` or `through`. */
      readonly leases?: readonly string[];
      readonly through?: string;
      readonly credit?: number;
    }
  | {
      readonly op: 'nack';
      readonly ref?: Ref;
      readonly subscription: string;
      readonly leases: readonly string[];
      readonly delaySeconds?: number;
      readonly credit?: number;
    }
  | {
      readonly op: 'extend';
      readonly ref?: Ref;
      readonly subscription: string;
      readonly leases: readonly string[];
      readonly leaseSeconds?: number;
    };

export type Ref = string | number;

export type ServerMessage =
  | { readonly op: 'ready'; readonly cursor: string; readonly session: string; readonly heartbeatMs: number }
  | ({ readonly op: 'gap' } & Gap)
  | { readonly op: 'heartbeat'; readonly cursor: string }
  | { readonly op: 'draining'; readonly reconnectInMs: number }
  | { readonly op: 'expiring'; readonly inMs: number }
  | { readonly op: 'dropped'; readonly channels: readonly string[]; readonly code: 'forbidden' }
  | {
      readonly op: 'delivery';
      readonly subscription: string;
      readonly lease: string;
      readonly delivery: number;
      readonly leaseEnds: string;
      readonly event: PolycastEvent;
    }
  | { readonly op: 'pulled'; readonly subscription: string; readonly code: ErrorCode }
  | { readonly op: 'error'; readonly ok: false; readonly error: Problem }
  | ({ readonly op: ClientMessage['op']; readonly ref?: Ref } & (
      | {
          readonly ok: true;
          readonly cursor?: string;
          readonly channels?: readonly string[];
          readonly id?: string;
          readonly channel?: string;
          readonly time?: string;
          readonly dropped?: readonly string[];
          readonly expiresInMs?: number;
          readonly credit?: number;
          readonly count?: number;
          readonly notHeld?: readonly string[];
          readonly leaseEnds?: string;
        }
      | { readonly ok: false; readonly error: Problem }
    ));

/** The WebSocket subprotocol of this version. */
export const SUBPROTOCOL = 'polycast.v1';
