import { PolycastError, type ServerMessage } from '@polycast/protocol';
import { decodeJson, encodeJson, type MessageHandler } from '../../processes/process-channel.ts';
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

/** The link to the process or the hub that works on subscriptions. */
export interface PullLink {
  on(name: string, handler: MessageHandler): void;
  /** Calls the listener when the other end has gone, or works no more. */
  onLost(listener: () => void): void;
  /** Before an operation or a new principal of the session is sent: the owner learns who it is. */
  announce?(session: PullingSession): void;
  send(name: string, body: Buffer): void;
  /** @throws PolycastError: the refusal of the owner, or `log_unavailable` */
  request(name: string, body: Buffer): Promise<Buffer>;
}

/**
 * The pulls of the WebSockets of a follower, or of a hub of a cluster that does not work on
 * subscriptions. The owner works on them: it gets the operations, and sends the frames, which this
 * side writes to the socket. The owner waits for each write, as it does for a socket of its own.
 */
export class ForwardedPulls {
  readonly #owner: PullLink;
  readonly #bySession = new Map<string, SessionPulls>();

  constructor(owner: PullLink) {
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
  readonly #owner: PullLink;
  readonly #session: PullingSession;
  readonly #onClosed: () => void;
  isPulling = false;
  #isClosed = false;

  constructor(owner: PullLink, session: PullingSession, onClosed: () => void) {
    this.#owner = owner;
    this.#session = session;
    this.#onClosed = onClosed;
  }

  async run(operation: PullOperation): Promise<PullResult> {
    await nextTurn();
    // The owner has been told of the end, and would keep a pull that begins after it.
    if (this.#isClosed) throw new PolycastError('log_unavailable', 'The session has ended.');
    this.#owner.announce?.(this.#session);
    const sent: ForwardedOperation = { session: this.#session.id, operation };
    const { result, isPulling } = decodeJson<ForwardedResult>(await this.#owner.request('pull', encodeJson(sent)));
    this.isPulling = isPulling;
    return result;
  }

  async recheckAccess(): Promise<void> {
    await nextTurn();
    if (this.#isClosed) return;
    this.#owner.announce?.(this.#session);
    await this.#owner.request('pull-recheck', encodeJson(this.#session.id)).catch(() => undefined);
  }

  close(): void {
    this.#isClosed = true;
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
