/** Something that clients fill, for whoever looks after the hub. */
export interface Held {
  readonly bytes: number;
  readonly bytesMax: number;
  /** What found no room, or had to make some: since the hub began. */
  readonly refused: number;
}

/**
 * Bytes that many may hold together, no more than so many. Of these each client has a share, and all clients together three quarters:
 * whoever begins bodies and does not end them keeps nobody else, and no server, from sending one.
 */
export class ByteBudget implements Held {
  readonly #bytesMax: number;
  readonly #shareMax: number;
  readonly #byClient = new Map<string, number>();
  #taken = 0;
  #takenByClients = 0;

  /** @param shareMax of one client */
  constructor(bytesMax: number, shareMax: number = Infinity) {
    this.#bytesMax = bytesMax;
    this.#shareMax = shareMax;
  }

  #refused = 0;

  get bytes(): number {
    return this.#taken;
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
  take(bytes: number, client: string | undefined): boolean {
    if (!this.hasRoom(bytes, client)) return false;
    this.takeAnyway(bytes, client);
    return true;
  }

  /** Whether they could be had; if not, that is counted. */
  hasRoom(bytes: number, client: string | undefined): boolean {
    const isRoom =
      this.#taken + bytes <= this.#bytesMax &&
      (client === undefined ||
        (this.ofClient(client) + bytes <= this.#shareMax &&
          this.#takenByClients + bytes <= this.#bytesMax * CLIENTS_PART));
    if (!isRoom) this.#refused++;
    return isRoom;
  }

  /** For what cannot be refused any more: others find less room. */
  takeAnyway(bytes: number, client: string | undefined): void {
    this.#taken += bytes;
    if (client === undefined) return;
    this.#byClient.set(client, this.ofClient(client) + bytes);
    this.#takenByClients += bytes;
  }

  /** What a client has taken. */
  ofClient(client: string): number {
    return this.#byClient.get(client) ?? 0;
  }

  giveBack(bytes: number, client: string | undefined): void {
    this.#taken -= bytes;
    if (client === undefined) return;
    this.#takenByClients -= bytes;
    const held = this.ofClient(client) - bytes;
    if (held > 0) this.#byClient.set(client, held);
    else this.#byClient.delete(client);
  }
}

const CLIENTS_PART = 0.75;
