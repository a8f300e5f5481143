/** Something that clients fill, for whoever looks after the hub. */
export interface MemoryUsage {
  readonly bytes: number;
  readonly bytesMax: number;
  /** What found no room, or had to make some: since the hub began. */
  readonly refused: number;
}

/**
 * Bytes that many may hold together, no more than so many. Of these each client has a share, and all clients together three quarters:
 * whoever begins bodies and does not end them keeps nobody else, and no server, from sending one.
 */
export class ByteBudget implements MemoryUsage {
  readonly #bytesMax: number;
  readonly #clientBytesMax: number;
  readonly #byClient = new Map<string, number>();
  #reserved = 0;
  #reservedByClients = 0;

  /** @param clientBytesMax of one client */
  constructor(bytesMax: number, clientBytesMax: number = Infinity) {
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
   * Whether they could be had. What was taken has to be given back, by the same name.
   * @param client who takes them; `undefined` for a server
   */
  tryReserve(bytes: number, client: string | undefined): boolean {
    if (!this.canReserve(bytes, client)) return false;
    this.reserve(bytes, client);
    return true;
  }

  /** Whether they could be had; if not, that is counted. */
  canReserve(bytes: number, client: string | undefined): boolean {
    const fits =
      this.#reserved + bytes <= this.#bytesMax &&
      (client === undefined ||
        (this.reservedBy(client) + bytes <= this.#clientBytesMax &&
          this.#reservedByClients + bytes <= this.#bytesMax * CLIENTS_FRACTION));
    if (!fits) this.#refused++;
    return fits;
  }

  /** For what cannot be refused any more: others find less room. */
  reserve(bytes: number, client: string | undefined): void {
    this.#reserved += bytes;
    if (client === undefined) return;
    this.#byClient.set(client, this.reservedBy(client) + bytes);
    this.#reservedByClients += bytes;
  }

  /** What a client has taken. */
  reservedBy(client: string): number {
    return this.#byClient.get(client) ?? 0;
  }

  release(bytes: number, client: string | undefined): void {
    this.#reserved -= bytes;
    if (client === undefined) return;
    this.#reservedByClients -= bytes;
    const remaining = this.reservedBy(client) - bytes;
    if (remaining > 0) this.#byClient.set(client, remaining);
    else this.#byClient.delete(client);
  }
}

const CLIENTS_FRACTION = 0.75;
