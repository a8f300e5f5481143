import type { Problem } from './errors.ts';
import type { Gap } from './event.ts';

/**
 * The JSON messages beside events on a WebSocket (PROTOCOL.md section 7). Every one has `op`; no event has. An operation
 * of the client carries a `ref` of its own choice and gets exactly one answer with the same `op` and `ref`.
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
    }
  | { readonly op: 'auth'; readonly ref?: Ref; readonly token: string }
  | { readonly op: 'ping'; readonly ref?: Ref };

export type Ref = string | number;

export type ServerMessage =
  | { readonly op: 'ready'; readonly cursor: string; readonly session: string; readonly heartbeatMs: number }
  | ({ readonly op: 'gap' } & Gap)
  | { readonly op: 'heartbeat'; readonly cursor: string }
  | { readonly op: 'draining'; readonly reconnectInMs: number }
  | { readonly op: 'expiring'; readonly inMs: number }
  | { readonly op: 'dropped'; readonly channels: readonly string[]; readonly code: 'forbidden' }
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
        }
      | { readonly ok: false; readonly error: Problem }
    ));

/** The WebSocket subprotocol of this version. */
export const SUBPROTOCOL = 'polycast.v1';
