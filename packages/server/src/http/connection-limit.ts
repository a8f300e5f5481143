import { PolycastError } from '@polycast/protocol';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TrustedProxies } from './client-address.ts';
import type { HttpSettings } from './http-settings.ts';
import { SocketLimit } from './sockets/socket-limit.ts';

/**
 * Connections beyond the limit that still receive an error; further ones are closed without one.
 */
const REFUSED_CONNECTIONS_MAX = 256;

type ConnectionLimits = Pick<
  HttpSettings,
  'connectionsMax' | 'socketsPerAddressMax' | 'connectionsPerPublicAddressMax'
>;

/**
 * Bounds the connections of the server and of each address. The first request of a connection
 * beyond the limit receives the error, and the connection is closed.
 */
export class ConnectionLimit {
  readonly #server: Server;
  readonly #proxies: TrustedProxies;
  #connectionsMax = 0;
  #socketLimit: SocketLimit | undefined;
  readonly #refusals = new WeakMap<Duplex, PolycastError>();
  #hasRefusals = false;
  /** An upper bound of the open connections, based on the server's last count. */
  #countBound = 0;

  constructor(server: Server, proxies: TrustedProxies, limits: ConnectionLimits) {
    this.#server = server;
    this.#proxies = proxies;
    this.setLimits(limits);
    server.on('connection', (socket) => this.#socketLimit?.add(socket));
  }

  /** The next connection obeys these limits. Open connections stay. */
  setLimits({ connectionsMax, socketsPerAddressMax, connectionsPerPublicAddressMax }: ConnectionLimits): void {
    this.#connectionsMax = connectionsMax;
    this.#server.maxConnections = connectionsMax + REFUSED_CONNECTIONS_MAX;
    const countMax = socketsPerAddressMax ?? connectionsPerPublicAddressMax ?? Infinity;
    const isPublicOnly = socketsPerAddressMax === null;
    if (this.#socketLimit !== undefined) return this.#socketLimit.setLimit(countMax, isPublicOnly);
    if (countMax === Infinity) return;
    this.#socketLimit = new SocketLimit(countMax, this.#proxies, isPublicOnly);
  }

  /** The number of open connections. */
  countOpen(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#server.getConnections((_error, count) => resolve(count));
    return promise;
  }

  /** Refused connections of addresses with too many. */
  get socketsRefused(): number {
    return this.#socketLimit?.refused ?? 0;
  }

  count(socket: Socket): void {
    const refusal = this.#socketLimit?.refusalOf(socket);
    if (refusal !== undefined) return this.#refuse(socket, refusal);
    if (++this.#countBound <= this.#connectionsMax) return;
    this.#countBound = 0;
    this.#server.getConnections((_error, count) => {
      this.#countBound += count;
      if (count > this.#connectionsMax)
        this.#refuse(
          socket,
          new PolycastError('overloaded', 'The hub has reached its limit of connections.', { retryAfterMs: 5000 }),
        );
    });
  }

  /** @throws PolycastError the error of a connection beyond the limit */
  check({ socket }: IncomingMessage): void {
    if (!this.#hasRefusals) return;
    const error = this.#refusals.get(socket);
    if (error !== undefined) throw error;
  }

  isRefused(socket: Socket): boolean {
    return this.#refusals.has(socket);
  }

  #refuse(socket: Socket, error: PolycastError): void {
    this.#refusals.set(socket, error);
    this.#hasRefusals = true;
  }
}
