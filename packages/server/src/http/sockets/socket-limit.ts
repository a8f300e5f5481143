import type { PolycastError } from '@polycast/protocol';
import type { Socket } from 'node:net';
import { addressKey } from '../../core/primitives/address-key.ts';
import { isPublic, type TrustedProxies } from '../client-address.ts';
import { tooManyConnections } from '../refusals.ts';
import { onSocketClose } from './detach-socket.ts';

/**
 * Connections of an address beyond the limit that still receive an error; further ones are closed
 * without one.
 */
const REFUSED_WITH_ANSWER_MAX = 16;

/**
 * Limits the connections of one address, with or without requests (PROTOCOL.md section 13.7). It
 * costs one system call and a look into a map per connection, and nothing per request.
 */
export class SocketLimit {
  /** Connections beyond the limit. */
  refused = 0;
  #countMax: number;
  readonly #proxies: TrustedProxies;
  #isPublicOnly: boolean;
  readonly #countByAddress = new Map<string, number>();
  /** Addresses with more connections than the limit. Mostly 0, and then no request costs a look. */
  #exceeding = 0;

  /**
   * @param publicOnly leave out loopback and private addresses, where an unconfigured proxy may be
   */
  constructor(countMax: number, proxies: TrustedProxies, publicOnly = false) {
    this.#countMax = countMax;
    this.#proxies = proxies;
    this.#isPublicOnly = publicOnly;
  }

  /** Sets another limit. Open connections stay; those that were not counted remain uncounted. */
  setLimit(countMax: number, publicOnly: boolean): void {
    this.#countMax = countMax;
    this.#isPublicOnly = publicOnly;
    this.#exceeding = [...this.#countByAddress.values()].filter((count) => count > countMax).length;
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
    if (count === this.#countMax + 1) this.#exceeding++;
    this.#countByAddress.set(name, count);
    onSocketClose(socket, () => this.#remove(name));
  }

  /** The error for the first request of a connection; `undefined` within the limit. */
  refusalOf(socket: Socket): PolycastError | undefined {
    const name = this.#exceeding > 0 ? this.#countedAddress(socket) : undefined;
    if (name === undefined || (this.#countByAddress.get(name) ?? 0) <= this.#countMax) return undefined;
    return tooManyConnections('address', this.#countMax);
  }

  #remove(name: string): void {
    const count = (this.#countByAddress.get(name) ?? 0) - 1;
    if (count === this.#countMax) this.#exceeding--;
    if (count > 0) this.#countByAddress.set(name, count);
    else this.#countByAddress.delete(name);
  }

  /**
   * The counted address; `undefined` for a trusted proxy, which carries the connections of many
   * clients.
   */
  #countedAddress(socket: Socket): string | undefined {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || this.#proxies.isTrusted(remoteAddress)) return undefined;
    return this.#isPublicOnly && !isPublic(remoteAddress) ? undefined : addressKey(remoteAddress);
  }
}
