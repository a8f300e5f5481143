import type { EventEmitter } from 'node:events';
import { httpClient } from '../platform/http-client.ts';
import type { Sender } from '../subscriptions/state/sender.ts';
import { closedEarlyError, peerOf, reportOutcome, type Connector } from './connector.ts';
import { containErrors } from './contain.ts';
import { FairQueue } from '../core/primitives/fair-queue.ts';
import type { Connection, Exchange, Host } from './exchange.ts';
import { IdleConnections } from './idle-connections.ts';
import { OutgoingError } from './outgoing-error.ts';

/** The bounds on open connections. */
export interface ConnectionBounds {
  readonly connectionsMax: number;
  readonly connectionsPerHostMax: number;
}

/**
 * A pool of keep-alive connections. Each carries one exchange at a time.
 *
 * At the bounds exchanges wait. The URLs of a host take turns, and hosts take turns. The pool
 * closes an idle connection when another host needs a new one.
 */
export class ConnectionPool {
  readonly #connector: Connector;
  readonly #bounds: ConnectionBounds;
  readonly #onStart: (exchange: Exchange) => void;
  readonly #onClientError: (error: unknown) => void;
  readonly #hosts = new Map<string, Host>();
  readonly #idle = new IdleConnections();
  /** Hosts that wait because of `connectionsMax`. The host that has waited longest comes first. */
  readonly #starved = new Set<Host>();
  readonly #open = new Set<Connection>();
  #isClosed = false;

  /**
   * @param onStart is called when an exchange has left the queue, before it is sent
   * @param onClientError is called with an undici error that no caller could catch
   */
  constructor(
    connector: Connector,
    bounds: ConnectionBounds,
    onStart: (exchange: Exchange) => void,
    onClientError: (error: unknown) => void,
  ) {
    this.#connector = connector;
    this.#bounds = bounds;
    this.#onStart = onStart;
    this.#onClientError = onClientError;
  }

  /** The present numbers of connections and waiting exchanges. */
  get figures(): Sender['metrics'] {
    let waiting = 0;
    for (const host of this.#hosts.values()) waiting += host.waiting.size;
    return { open: this.#open.size, idle: this.#idle.size, waiting };
  }

  run(exchange: Exchange): void {
    if (this.#isClosed) return exchange.abort(closingError());
    const host = this.#hostOf(exchange.target.origin);
    const idle = host.idle.pop();
    if (idle !== undefined) {
      this.#idle.remove(idle);
      return this.#runOn(idle, exchange);
    }
    host.waiting.push(exchange.target.url, exchange);
    this.#serve(host);
  }

  /** Returns an exchange's connection to the pool, or closes it. */
  release(exchange: Exchange, isReusable: boolean): void {
    const connection = exchange.connection as Connection;
    exchange.connection = undefined;
    connection.exchange = undefined;
    const { host } = connection;
    const [starved] = this.#starved;
    // A host that waits for a connection comes before further exchanges of this host.
    if (!isReusable || (starved !== undefined && starved !== host)) return this.#drop(connection);
    const next = host.waiting.shift();
    if (this.#starved.delete(host) && host.waiting.size > 0) this.#starved.add(host);
    if (next !== undefined) return this.#runOn(connection, next);
    host.idle.push(connection);
    this.#idle.add(connection);
  }

  /** Repeats an exchange on a new connection, because the peer had closed the old one. */
  rerun(exchange: Exchange): void {
    const { host } = exchange.connection as Connection;
    this.#remove(exchange.connection as Connection);
    this.#runOn(this.#createConnection(host), exchange);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const error = closingError();
    for (const host of this.#hosts.values())
      for (let waiting = host.waiting.shift(); waiting !== undefined; waiting = host.waiting.shift())
        waiting.abort(error);
    const open = [...this.#open];
    for (const { exchange } of open) exchange?.abort(error);
    await Promise.all(open.map(({ client }) => client.destroy()));
  }

  #hostOf(origin: string): Host {
    const known = this.#hosts.get(origin);
    if (known !== undefined) return known;
    const host: Host = { origin, idle: [], waiting: new FairQueue(), count: 0 };
    this.#hosts.set(origin, host);
    return host;
  }

  /** Opens connections for waiting exchanges, within the bounds. */
  #serve(host: Host): void {
    while (host.waiting.size > 0 && host.count < this.#bounds.connectionsPerHostMax) {
      if (this.#open.size >= this.#bounds.connectionsMax && !this.#closeIdle()) {
        this.#starved.add(host);
        return;
      }
      this.#runOn(this.#createConnection(host), host.waiting.shift() as Exchange);
    }
    this.#starved.delete(host);
  }

  #closeIdle(): boolean {
    const { oldest } = this.#idle;
    return oldest !== undefined && this.#remove(oldest);
  }

  #createConnection(host: Host): Connection {
    const connection: Connection = {
      host,
      client: undefined as never,
      exchange: undefined,
      isUsed: false,
      isPrivateAddress: false,
      isIdle: false,
      olderIdle: undefined,
      newerIdle: undefined,
    };
    const { Client } = httpClient();
    connection.client = new Client(host.origin, {
      ...CLIENT_OPTIONS,
      connect: (options, callback) => {
        const { exchange } = connection;
        const connecting = this.#connector.connect(peerOf(options));
        if (exchange !== undefined) exchange.cancelConnecting = connecting.cancel;
        void reportOutcome(connecting, (error, connected) => {
          if (error !== null) return callback(error, null);
          const { socket, isPrivateAddress } = connected;
          connection.isPrivateAddress = isPrivateAddress;
          exchange?.onConnected(connected);
          // Undici would reconnect repeatedly, for an exchange that may have ended.
          if (!socket.destroyed && exchange?.isSettled !== true)
            return callback(
              null,
              containErrors(socket, (thrown) => this.#onConnectionError(connection, thrown)),
            );
          socket.destroy();
          callback(closedEarlyError(options.hostname), null);
        });
      },
    });
    // Undici emits a handler's errors here. Without a listener they would end the process.
    (connection.client as EventEmitter).on('error', (error) => this.#onConnectionError(connection, error));
    // The peer closed the connection, or it was idle for too long.
    connection.client.on('disconnect', () => {
      if (connection.exchange === undefined) this.#drop(connection);
    });
    host.count++;
    this.#open.add(connection);
    return connection;
  }

  #onConnectionError(connection: Connection, error: unknown): void {
    this.#onClientError(error);
    const { exchange } = connection;
    if (exchange === undefined) this.#drop(connection);
    else exchange.onClientError(error);
  }

  #runOn(connection: Connection, exchange: Exchange): void {
    const isFirst = !exchange.isStarted;
    connection.exchange = exchange;
    exchange.connection = connection;
    exchange.start(connection);
    connection.isUsed = true;
    if (isFirst) this.#onStart(exchange);
    exchange.dispatchOn(connection.client);
  }

  /** Closes a connection, and serves the exchanges that waited for its place. */
  #drop(connection: Connection): void {
    if (!this.#remove(connection)) return;
    const [starved] = this.#starved;
    if (starved !== undefined) {
      this.#starved.delete(starved);
      this.#serve(starved);
    }
    this.#serve(connection.host);
  }

  #remove(connection: Connection): boolean {
    if (!this.#open.delete(connection)) return false;
    const { host, client } = connection;
    host.count--;
    if (this.#idle.remove(connection)) host.idle.splice(host.idle.indexOf(connection), 1);
    if (host.count === 0 && host.waiting.size === 0) this.#hosts.delete(host.origin);
    // The client may be inside the callback that led here. It finishes that first.
    queueMicrotask(() => void client.destroy());
    return true;
  }
}

function closingError(): OutgoingError {
  return new OutgoingError('connection', 'the hub is shutting down');
}

/** The bound on the headers of an answer. */
const HEADER_BYTES_MAX = 16_384;

/**
 * `Deadlines` replaces undici's own timeouts. Idle connections are closed before most servers close
 * them, but not within 10 s, a common interval of events.
 */
const CLIENT_OPTIONS = {
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: 12_000,
  keepAliveMaxTimeout: 60_000,
  maxHeaderSize: HEADER_BYTES_MAX,
} as const;
