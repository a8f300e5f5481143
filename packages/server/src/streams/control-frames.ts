import type { Framing, Gap, TransportName } from '@polycast/protocol';
import type { RevokedReason } from '../auth/sessions.ts';

/**
 * The control messages of a streaming transport, as bytes. All sessions of a transport share one
 * object. Example: the SSE heartbeat without a cursor is the line `:`.
 */
export interface ControlFrames {
  readonly transport: TransportName;
  /** The hub reads the client's bytes only to notice a disconnect. */
  readonly ignoresInput: boolean;
  readonly framing: Framing;
  readonly heartbeat: (cursor: string) => string | Uint8Array;
  /**
   * A heartbeat without a cursor, sent when the client already knows its cursor. A transport
   * without it repeats the cursor.
   */
  readonly keepAlive: Uint8Array | undefined;
  /** @param cursor where the client would resume from this point on */
  readonly gap: (gap: Gap, cursor: string) => string | Uint8Array;
  readonly draining: (reconnectInMs: number) => string | Uint8Array;
  readonly expiring: (inMs: number) => string | Uint8Array;
  /** The last bytes of a session that has lost its access. */
  readonly revoked: (code: RevokedReason) => Uint8Array;
  /** The last bytes before the hub ends the socket. */
  readonly closing: (reason: CloseReason) => string | Uint8Array | undefined;
}

export type CloseReason = 'drain' | 'stalled' | 'failed';
