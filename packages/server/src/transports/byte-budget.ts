/**
 * Bytes that many may hold together, no more than so many. Of these each client has a share, and all clients together three quarters:
 * whoever begins bodies and does not end them keeps nobody else, and no server, from sending one.
 */
export class ByteBudget {
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

  get taken(): number {
    return this.#taken;
  }

  /**
   * Whether they could be had. What was taken has to be given back, by the same name.
   * @param client who takes them; `undefined` for a server
   */
  take(bytes: number, client: string | undefined): boolean {
    if (this.#taken + bytes > this.#bytesMax) return false;
    if (client !== undefined) {
      const held = this.#byClient.get(client) ?? 0;
      if (held + bytes > this.#shareMax || this.#takenByClients + bytes > this.#bytesMax * CLIENTS_PART) return false;
      this.#byClient.set(client, held + bytes);
      this.#takenByClients += bytes;
    }
    this.#taken += bytes;
    return true;
  }

  giveBack(bytes: number, client: string | undefined): void {
    this.#taken -= bytes;
    if (client === undefined) return;
    this.#takenByClients -= bytes;
    const held = (this.#byClient.get(client) ?? 0) - bytes;
    if (held > 0) this.#byClient.set(client, held);
    else this.#byClient.delete(client);
  }
}

const CLIENTS_PART = 0.75;
