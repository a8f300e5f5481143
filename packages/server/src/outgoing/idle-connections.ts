import { assertInvariant } from '../core/primitives/invariant.ts';
import type { Connection } from './exchange.ts';

/**
 * The idle connections of all hosts. The connection that has been idle for the longest time comes
 * first.
 *
 * It is a list whose links are members of the connections. A `Set` would allocate a new table every
 * few hundred requests, which only a collection of the whole heap frees.
 */
export class IdleConnections {
  #oldest: Connection | undefined;
  #newest: Connection | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Connection | undefined {
    return this.#oldest;
  }

  /** @param connection one that is not idle yet */
  add(connection: Connection): void {
    assertInvariant(!connection.isIdle, 'idle connections: each one is added once');
    connection.isIdle = true;
    connection.olderIdle = this.#newest;
    if (this.#newest === undefined) this.#oldest = connection;
    else this.#newest.newerIdle = connection;
    this.#newest = connection;
    this.#size++;
  }

  /** @returns whether the connection was idle */
  remove(connection: Connection): boolean {
    if (!connection.isIdle) return false;
    const { olderIdle, newerIdle } = connection;
    if (olderIdle === undefined) this.#oldest = newerIdle;
    else olderIdle.newerIdle = newerIdle;
    if (newerIdle === undefined) this.#newest = olderIdle;
    else newerIdle.olderIdle = olderIdle;
    connection.isIdle = false;
    connection.olderIdle = undefined;
    connection.newerIdle = undefined;
    this.#size--;
    return true;
  }
}
