import type { ServerMessage } from '@polycast/protocol';
import type { OwnerLink } from '../../processes/owner-link.ts';
import { decodeJson, encodeJson } from '../../processes/process-channel.ts';
import type { PullingSession, PullOperation, PullResult, SocketPulls } from '../../streams/socket-pulls.ts';

/** An operation of a follower's session. */
export interface ForwardedOperation {
  readonly session: string;
  readonly operation: PullOperation;
}

/** Its result, and whether the session pulls from then on. */
export interface ForwardedResult {
  readonly result: PullResult;
  readonly isPulling: boolean;
}

/** A message that the owner sends to a follower's session. */
export interface ForwardedMessage {
  readonly session: string;
  readonly content: ServerMessage;
  readonly isPulling: boolean;
}

/**
 * The pulls of a follower's WebSockets. The owner works on the subscriptions: it gets the
 * operations, and sends the frames, which the follower writes to the socket. The owner waits for
 * each write, as it does for a socket of its own.
 */
export class ForwardedPulls {
  readonly #owner: OwnerLink;
  readonly #bySession = new Map<string, SessionPulls>();

  constructor(owner: OwnerLink) {
    this.#owner = owner;
    owner.on('pull-respond', (body) => {
      const { session, content, isPulling } = decodeJson<ForwardedMessage>(body);
      void this.#bySession.get(session)?.respond(content, isPulling);
    });
    owner.on('pull-send', async (body) => {
      const end = 1 + body.readUInt8(0);
      await this.#bySession.get(body.toString('latin1', 1, end))?.send(body.subarray(end));
    });
    // The leases of the owner before have ended with it. Clients pull again when they reconnect.
    owner.onLost(() => {
      for (const pulls of this.#bySession.values()) pulls.end();
    });
  }

  open(session: PullingSession): SocketPulls {
    const pulls = new SessionPulls(this.#owner, session, () => void this.#bySession.delete(session.id));
    this.#bySession.set(session.id, pulls);
    return pulls;
  }
}

class SessionPulls implements SocketPulls {
  readonly #owner: OwnerLink;
  readonly #session: PullingSession;
  readonly #onClosed: () => void;
  isPulling = false;

  constructor(owner: OwnerLink, session: PullingSession, onClosed: () => void) {
    this.#owner = owner;
    this.#session = session;
    this.#onClosed = onClosed;
  }

  async run(operation: PullOperation): Promise<PullResult> {
    await nextTurn();
    const sent: ForwardedOperation = { session: this.#session.id, operation };
    const { result, isPulling } = decodeJson<ForwardedResult>(await this.#owner.request('pull', encodeJson(sent)));
    this.isPulling = isPulling;
    return result;
  }

  async recheckAccess(): Promise<void> {
    await nextTurn();
    await this.#owner.request('pull-recheck', encodeJson(this.#session.id)).catch(() => undefined);
  }

  close(): void {
    this.#owner.send('pull-close', encodeJson(this.#session.id));
    this.#onClosed();
  }

  async respond(content: ServerMessage, isPulling: boolean): Promise<void> {
    this.isPulling = isPulling;
    await nextTurn();
    this.#session.respond(content);
  }

  async send(bytes: Uint8Array): Promise<void> {
    // The view is of a chunk of the link's socket, which may be large.
    const own = Uint8Array.from(bytes);
    // An answer to the client may have come in the same chunk, and is written first.
    await nextTurn();
    await this.#session.sendAndWait(own);
  }

  /** The session pulled from an owner that has ended. */
  end(): void {
    if (this.isPulling) this.#session.drain(0);
    this.isPulling = false;
  }
}

/**
 * After this turn the owner knows the session with its present principal, and a result has been
 * written to its client.
 */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
