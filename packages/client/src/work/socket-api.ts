import type { ClientMessage, ServerMessage } from '@polycast/protocol';
import { EndedError } from '../http.ts';
import { clientProblem } from '../errors.ts';
import type { LeasedEvent, PullApi } from './pull-api.ts';
import { SocketConnection, type SocketAnswer } from './socket-connection.ts';

export interface SocketApiOptions {
  readonly url: string | URL;
  readonly subscription: string;
  readonly key: string | undefined;
  readonly leaseSeconds: number;
  readonly WebSocket: typeof WebSocket;
}

/**
 * The PullApi over a WebSocket (PROTOCOL.md section 14.6). The hub pushes events as long as it has
 * credit, and no request is held open for them. Credit is the number of events that the hub may
 * still send. The first operation opens the connection; after a loss the next one reopens it, and
 * leases survive.
 */
export function createSocketApi(options: SocketApiOptions): PullApi {
  return new SocketApi(options);
}

class SocketApi implements PullApi {
  readonly #options: SocketApiOptions;
  readonly #address: URL;
  #connection: Promise<SocketConnection> | undefined;
  /**
   * The number of events that the hub may still send on this connection; `undefined` before the
   * first pull.
   */
  #credit: number | undefined;
  #received: LeasedEvent[] = [];
  /** The pull that waits for events. */
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(options: SocketApiOptions) {
    this.#options = options;
    this.#address = new URL('/v1/events', options.url);
    this.#address.protocol = this.#address.protocol.replace('http', 'ws');
  }

  async pull(count: number, signal: AbortSignal): Promise<readonly LeasedEvent[]> {
    if (this.#received.length === 0) await this.#grantCredit(count);
    if (this.#received.length === 0) {
      const stop = (): void => {
        this.#revokeCredit();
        this.#waiting?.reject(signal.reason as Error);
      };
      this.#waiting = Promise.withResolvers();
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      try {
        await this.#waiting.promise;
      } finally {
        signal.removeEventListener('abort', stop);
        this.#waiting = undefined;
      }
    }
    return this.#received.splice(0);
  }

  async acknowledge(leases: readonly string[]): Promise<readonly string[]> {
    return notHeld(await this.#request({ op: 'ack', subscription: this.#options.subscription, leases }));
  }

  async release(leases: readonly string[], delaySeconds: number): Promise<readonly string[]> {
    return notHeld(await this.#request({ op: 'nack', subscription: this.#options.subscription, leases, delaySeconds }));
  }

  async extend(leases: readonly string[]): Promise<readonly string[]> {
    const { subscription, leaseSeconds } = this.#options;
    return notHeld(await this.#request({ op: 'extend', subscription, leases, leaseSeconds }));
  }

  /** Takes no more events, and releases received events that no handler has started. */
  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    if (connection === undefined) return;
    const { subscription } = this.#options;
    try {
      if (this.#credit !== undefined) await connection.request({ op: 'pull', subscription, credit: 0 });
      // Events that the hub had sent earlier arrive before that answer.
      const leases = this.#received.splice(0).map(({ lease }) => lease);
      if (leases.length > 0) await connection.request({ op: 'nack', subscription, leases });
    } catch {
      // The leases expire by themselves.
    }
    connection.close();
  }

  /** Revokes the credit immediately, so that events go to other workers. */
  #revokeCredit(): void {
    const { subscription } = this.#options;
    void this.#connection?.then((line) => line.request({ op: 'pull', subscription, credit: 0 })).catch(() => undefined);
  }

  /** Sets the credit to `count` events. */
  async #grantCredit(count: number): Promise<void> {
    const { subscription, leaseSeconds } = this.#options;
    const connection = await this.#open();
    if (this.#credit === undefined) {
      // Events may arrive before the answer.
      this.#credit = count;
      await connection.request({ op: 'pull', subscription, credit: count, leaseSeconds }).catch((error: unknown) => {
        this.#credit = undefined;
        throw error;
      });
      return;
    }
    const credit = count - this.#credit;
    if (credit <= 0) return;
    this.#credit = count;
    await connection.request({ op: 'credit', subscription, credit });
  }

  async #request(message: ClientMessage): Promise<SocketAnswer> {
    return (await this.#open()).request(message);
  }

  #open(): Promise<SocketConnection> {
    const { key: token, WebSocket } = this.#options;
    this.#connection ??= SocketConnection.open({
      url: this.#address,
      token,
      WebSocket,
      onMessage: (message) => this.#receive(message),
      onClose: (error) => this.#onLost(error),
    });
    return this.#connection;
  }

  #receive(message: ServerMessage): void {
    if (message.op === 'delivery') {
      const { lease, delivery, event } = message;
      this.#received.push({ lease, delivery, event });
      this.#credit = (this.#credit ?? 1) - 1;
      // Takes all events of the same turn together.
      queueMicrotask(() => this.#waiting?.resolve());
    } else if (message.op === 'pulled') {
      this.#credit = undefined;
      const title = `The subscription ends this pull: ${message.code}.`;
      // The message does not say whether that is final. The answer to the next pull does.
      const problem = clientProblem(message.code, title, true);
      this.#waiting?.reject(new EndedError({ kind: 'refused', problem, hintMs: 0 }));
    }
  }

  #onLost(error: EndedError): void {
    this.#connection = undefined;
    this.#credit = undefined;
    this.#waiting?.reject(error);
  }
}

function notHeld(answer: SocketAnswer): readonly string[] {
  return (answer as { readonly notHeld?: readonly string[] }).notHeld ?? [];
}
