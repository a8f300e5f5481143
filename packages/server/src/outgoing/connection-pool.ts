import type { EventEmitter } from 'node:events';
import { Client } from 'undici';
import type { Sender } from '../subscriptions/state/ports.ts';
import { closedEarlyError, peerOf, reportOutcome, type Connector } from './connector.ts';
import { containErrors } from './contain.ts';
import { FairQueue } from '../core/primitives/fair-queue.ts';
import type { Exchange } from './exchange.ts';
import { OutgoingError } from './outgoing-error.ts';

/** How many connections there may be at once. */
export interface ConnectionBounds {
  readonly connectionsMax: number;
  readonly connectionsPerHostMax: number;
}

/**
 * Connections, kept alive, each with one exchange at a time. At the bounds exchanges wait: by turns among the URLs of a host, and
 * among hosts; an idle connection gives way to one that is needed.
 */
export class ConnectionPool {
  readonly #connector: Connector;
  readonly #bounds: ConnectionBounds;
  readonly #onStart: (exchange: Exchange) => void;
  readonly #onClientError: (error: unknown) => void;
  readonly #hosts = new Map<string, Host>();
  /** The one that has been idle for longest comes first. */
  readonly #idle = new Set<Connection>();
  /** Hosts that could have another connection, were there one left; who has waited longest comes first. */
  readonly #starved = new Set<Host>();
  readonly #open = new Set<Connection>();
  #isClosed = false;

  /**
   * `begin` is called when an exchange has waited long enough, before it is sent; `broken` with an error that undici has thrown where
   * nobody would have caught it.
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

  /** Numbers of the moment. */
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
      this.#idle.delete(idle);
      return this.#runOn(idle, exchange);
    }
    host.waiting.push(exchange.target.url, exchange);
    this.#serve(host);
  }

  /** An exchange is done with its connection. */
  release(exchange: Exchange, isReusable: boolean): void {
    const connection = exchange.connection as Connection;
    exchange.connection = undefined;
    connection.exchange = undefined;
    const { host } = connection;
    const [starved] = this.#starved;
    // Whose turn it is comes before those who wait for this host.
    if (!isReusable || (starved !== undefined && starved !== host)) return this.#drop(connection);
    const next = host.waiting.shift();
    if (this.#starved.delete(host) && host.waiting.size > 0) this.#starved.add(host);
    if (next !== undefined) return this.#runOn(connection, next);
    host.idle.push(connection);
    this.#idle.add(connection);
  }

  /** The exchange's connection was of no use: another one takes its place. */
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

  /** Makes connections for those who wait, as far as they may be made. */
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
    for (const connection of this.#idle) {
      this.#remove(connection);
      return true;
    }
    return false;
  }

  #createConnection(host: Host): Connection {
    const connection: Connection = {
      host,
      client: undefined as never,
      exchange: undefined,
      isUsed: false,
      isPrivateAddress: false,
    };
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
          // Undici would connect again, and again, for an exchange that may be over.
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
    // What undici catches of a handler's errors it tells here; unheard, they would end the process.
    (connection.client as EventEmitter).on('error', (error) => this.#onConnectionError(connection, error));
    // Closed by the other side, or idle for long.
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

  /** Closes a connection, and serves those who have waited for its place. */
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
    if (this.#idle.delete(connection)) host.idle.splice(host.idle.indexOf(connection), 1);
    if (host.count === 0 && host.waiting.size === 0) this.#hosts.delete(host.origin);
    // It may be in the midst of a callback, of which this is the outcome: it finishes that first.
    queueMicrotask(() => void client.destroy());
    return true;
  }
}

function closingError(): OutgoingError {
  return new OutgoingError('connection', 'the hub is going away');
}

/** Of an answer. */
const HEADER_BYTES_MAX = 16_384;

/** The deadline is one for the whole exchange and not undici's; what is idle is closed before most servers would. */
const CLIENT_OPTIONS = {
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: 10_000,
  keepAliveMaxTimeout: 60_000,
  maxHeaderSize: HEADER_BYTES_MAX,
} as const;

interface Host {
  readonly origin: string;
  /** The one that was used last comes last. */
  readonly idle: Connection[];
  readonly waiting: FairQueue<Exchange>;
  count: number;
}

/** A client of undici's with one connection, which it makes anew where the other side has closed it. */
export interface Connection {
  readonly host: Host;
  client: Client;
  exchange: Exchange | undefined;
  /** Whether its connection has carried an exchange before. */
  isUsed: boolean;
  isPrivateAddress: boolean;
}
