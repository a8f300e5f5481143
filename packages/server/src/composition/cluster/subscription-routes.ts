import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../../core/ports.ts';
import { forwardOver, turnOf } from '../../http/forward-requests.ts';
import { createForwardedServer } from '../../http/forwarded-server.ts';
import type { RequestHandler } from '../../http/route.ts';
import type { ClusterSubscriptions } from '../../storage/cluster/subscriptions/cluster-subscriptions.ts';
import type { Shutdown } from '../shutdown.ts';
import { PULLS_PATH, type PullHost } from './pull-host.ts';
import { reachOwner } from './reach-owner.ts';

/** The time that requests of other hubs have after the work of this one has ended. */
const CLOSE_TIME_MS = 2_000;

/** Requests of other hubs are not forwarded again, except by a hub that gave the lease away. */
const forwarded = new WeakSet<IncomingMessage>();

/**
 * Answers requests about subscriptions at any hub of a cluster: the hub that works on them answers,
 * and the others forward to it. Example: a worker pulls at hub B; B forwards over the brokers to A,
 * which leases the events.
 */
export class SubscriptionForwarder {
  readonly #subscriptions: ClusterSubscriptions;
  readonly #log: Pick<Log, 'shared'>;
  #answering = 0;
  #onIdle: (() => void) | undefined;

  constructor(subscriptions: ClusterSubscriptions, log: Pick<Log, 'shared'>) {
    this.#subscriptions = subscriptions;
    this.#log = log;
  }

  /** @param isNewest whether the answer depends on what other hubs have confirmed a moment ago */
  wrap(answer: RequestHandler, isNewest: boolean): RequestHandler {
    return async (request, response, ...call) => {
      if (!this.#subscriptions.isWorking && (await this.#forward(request, response))) return;
      if (isNewest) await this.#log.shared?.reachNewest();
      await answer(request, response, ...call);
    };
  }

  /** Answers what other hubs forward: requests, and the pulls of their WebSockets. */
  serve(
    handle: (request: IncomingMessage, response: ServerResponse) => void,
    pulls: Pick<PullHost, 'accept'> | undefined,
    shutdown: Shutdown,
  ): void {
    const server = createForwardedServer((request, response) => {
      forwarded.add(request);
      this.#answering++;
      response.once('close', () => this.#onAnswered());
      handle(request, response);
    });
    server.on('upgrade', ({ url }: IncomingMessage, connection: Duplex, head: Buffer) => {
      if (url === PULLS_PATH && pulls !== undefined) pulls.accept(connection, head);
      else connection.destroy();
    });
    this.#subscriptions.onConnection((connection) => void server.emit('connection', connection));
    shutdown.add('subscriptions', () => this.#idle());
    shutdown.add('sockets', () => void server.close());
  }

  /** The requests of other hubs have their answers, or the time is over. */
  async #idle(): Promise<void> {
    if (this.#answering === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, CLOSE_TIME_MS);
    await promise;
    clearTimeout(timer);
  }

  #onAnswered(): void {
    if (--this.#answering === 0) this.#onIdle?.();
  }

  /** Returns false if this hub works on subscriptions by now. @throws PolycastError */
  async #forward(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    await turnOf(response);
    const isForwarded = await reachOwner(this.#subscriptions, {
      isOver: () => response.destroyed,
      mayForward: () => !forwarded.has(request) || this.#subscriptions.hasLeft,
      use: async (connection) => {
        await forwardOver(connection, request, response);
        return true;
      },
    });
    return isForwarded === true;
  }
}
