import { assertInvariant } from './invariant.ts';

/** Memory that clients fill, as metrics show it. */
export interface MemoryUsage {
  readonly bytes: number;
  readonly bytesMax: number;
  /**
   * The number of refusals for lack of memory, or of evictions to make room, since the hub started.
   */
  readonly refused: number;
}

/**
 * A shared budget of bytes. Each client has a share, and all clients together have three quarters.
 * So a client that starts many bodies and never ends them blocks neither other clients nor servers.
 */
export class ByteBudget implements MemoryUsage {
  #bytesMax: number;
  #clientBytesMax: number;
  readonly #byClient = new Map<string, number>();
  #reserved = 0;
  #reservedByClients = 0;

  /** @param clientBytesMax the share of one client */
  constructor(bytesMax: number, clientBytesMax: number = Infinity) {
    this.#bytesMax = bytesMax;
    this.#clientBytesMax = clientBytesMax;
  }

  /** Sets other bounds. Bytes beyond them stay reserved, and nobody gets more until they fit. */
  resize(bytesMax: number, clientBytesMax: number = Infinity): void {
    this.#bytesMax = bytesMax;
    this.#clientBytesMax = clientBytesMax;
  }

  #refused = 0;

  get bytes(): number {
    return this.#reserved;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  get refused(): number {
    return this.#refused;
  }

  /**
   * Reserves bytes if possible. Release them under the same name.
   * @param client the holder; `undefined` for a server
   */
  tryReserve(bytes: number, client: string | undefined): boolean {
    if (!this.canReserve(bytes, client)) return false;
    this.reserve(bytes, client);
    return true;
  }

  /** Whether bytes can be reserved. A refusal is counted. */
  canReserve(bytes: number, client: string | undefined): boolean {
    const fits =
      this.#reserved + bytes <= this.#bytesMax &&
      (client === undefined ||
        (this.reservedBy(client) + bytes <= this.#clientBytesMax &&
          this.#reservedByClients + bytes <= this.#bytesMax * CLIENTS_FRACTION));
    if (!fits) this.#refused++;
    return fits;
  }

  /** Reserves bytes that can no longer be refused, even beyond the bound. Others find less room. */
  reserve(bytes: number, client: string | undefined): void {
    this.#reserved += bytes;
    if (client === undefined) return;
    this.#byClient.set(client, this.reservedBy(client) + bytes);
    this.#reservedByClients += bytes;
  }

  /** The bytes that a client holds. */
  reservedBy(client: string): number {
    return this.#byClient.get(client) ?? 0;
  }

  release(bytes: number, client: string | undefined): void {
    this.#reserved -= bytes;
    assertInvariant(this.#reserved >= 0, 'budget: only what was reserved is released');
    if (client === undefined) return;
    this.#reservedByClients -= bytes;
    const remaining = this.reservedBy(client) - bytes;
    assertInvariant(remaining >= 0, 'budget: a client releases only what it has reserved');
    if (remaining > 0) this.#byClient.set(client, remaining);
    else this.#byClient.delete(client);
  }

  /** Visits every client. */
  assertInvariants(): void {
    let bytes = 0;
    for (const reserved of this.#byClient.values()) {
      assertInvariant(reserved > 0, 'budget: a client without bytes has no entry');
      bytes += reserved;
    }
    assertInvariant(bytes === this.#reservedByClients, 'budget: the part of all clients is the sum over them');
    assertInvariant(bytes <= this.#reserved, 'budget: clients have a part of all bytes');
  }
}

const CLIENTS_FRACTION = 0.75;
