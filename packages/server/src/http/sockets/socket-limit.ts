import { PolycastError } from '@polycast/protocol';
import type { Socket } from 'node:net';
import { addressKey } from '../../core/primitives/address-key.ts';
import { isPublic, type TrustedProxies } from '../client-address.ts';
import { onSocketClose } from './detach-socket.ts';

/** So many more of an address are let in to be told that they are too many; those beyond are closed without a word. */
const REFUSED_WITH_ANSWER_MAX = 16;

/**
 * How many connections one address may have, whether or not a request has come on them (PROTOCOL.md section 13.7). Costs a look into
 * a map for each connection, and nothing for a request.
 */
export class SocketLimit {
  /** Those that were too many. */
  refused = 0;
  readonly #countMax: number;
  readonly #proxies: TrustedProxies;
  readonly #isPublicOnly: boolean;
  readonly #countByAddress = new Map<string, number>();

  /** @param publicOnly loopback and private addresses are not counted: proxies that nobody named are there */
  constructor(countMax: number, proxies: TrustedProxies, publicOnly = false) {
    this.#countMax = countMax;
    this.#proxies = proxies;
    this.#isPublicOnly = publicOnly;
  }

  /** Counts a connection until it is closed, or closes it. */
  add(socket: Socket): void {
    const name = this.#countedAddress(socket);
    if (name === undefined) return;
    const count = (this.#countByAddress.get(name) ?? 0) + 1;
    if (count > this.#countMax) this.refused++;
    if (count > this.#countMax + REFUSED_WITH_ANSWER_MAX) {
      socket.destroy();
      return;
    }
    this.#countByAddress.set(name, count);
    onSocketClose(socket, () => this.#remove(name));
  }

  /** What the first request on a connection is told; `undefined` when there are not too many. */
  refusalOf(socket: Socket): PolycastError | undefined {
    const name = this.#countedAddress(socket);
    if (name === undefined || (this.#countByAddress.get(name) ?? 0) <= this.#countMax) return undefined;
    return new PolycastError('too_many_connections', `One address may have ${this.#countMax} connections at once.`, {
      limit: this.#countMax,
      retryAfterMs: 5000,
    });
  }

  #remove(name: string): void {
    const count = (this.#countByAddress.get(name) ?? 0) - 1;
    if (count > 0) this.#countByAddress.set(name, count);
    else this.#countByAddress.delete(name);
  }

  /** A trusted proxy brings the connections of many. */
  #countedAddress(socket: Socket): string | undefined {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || this.#proxies.isTrusted(remoteAddress)) return undefined;
    if (!this.#isPublicOnly || isPublic(remoteAddress)) return addressKey(remoteAddress);
    clearCachedPeer(socket);
    return undefined;
  }
}

/** Node keeps what it was asked for as long as the connection lasts, 150 bytes each; it asks the kernel again when it needs it. */
function clearCachedPeer(socket: Socket): void {
  const parts = socket as { _peername?: unknown };
  if (parts._peername !== undefined) parts._peername = undefined;
}
