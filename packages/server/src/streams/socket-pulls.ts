import type { PullMessage, Ref, ServerMessage } from '@polycast/protocol';
import type { Principal } from '../core/access/principal.ts';
import type { SessionPhase } from '../core/session.ts';

/**
 * The pulls of one WebSocket session, from durable subscriptions (PROTOCOL.md section 14.6). The
 * transport passes it the operations; `subscriptions/http/websocket-pulls.ts` implements it.
 * Example: `run` with `{"op":"credit",…,"credit":10}` resolves with `{"credit":12}`.
 */
export interface SocketPulls {
  /** Whether the session pulls from a subscription. */
  readonly isPulling: boolean;
  /** @throws PolycastError */
  run(operation: PullOperation): Promise<PullResult>;
  /**
   * The principal has changed. Each pull that is no longer allowed ends, and the client is
   * informed.
   */
  recheckAccess(): Promise<void>;
  /** Ends all pulls. */
  close(): void;
}

export type OpenPulls = (session: PullingSession) => SocketPulls;

/** The session, as far as pulls use it. */
export interface PullingSession {
  readonly id: string;
  readonly principal: Principal;
  readonly phase: SessionPhase;
  /**
   * Waits until this hub has the session's key as the hub of the session has it. Another hub may
   * have changed it just now. Absent, or `undefined`: it needs no wait.
   * @throws PolycastError `log_unavailable`
   */
  whenKnown?(): Promise<void> | undefined;
  respond(content: ServerMessage): void;
  /** Resolves when the socket has taken the bytes. */
  sendAndWait(bytes: Uint8Array): Promise<void>;
  /** Asks the client to reconnect after this time, and ends the session. */
  drain(reconnectInMs: number): void;
}

/** An operation of pulling, its members unchecked. */
export interface PullOperation {
  readonly op: PullMessage['op'];
  readonly ref: Ref | undefined;
  readonly members: Readonly<Record<string, unknown>>;
}

/** The members of an answer beside `ok`. */
export interface PullResult {
  readonly credit?: number;
  readonly count?: number;
  readonly notHeld?: readonly string[];
  readonly leaseEnds?: string;
}
