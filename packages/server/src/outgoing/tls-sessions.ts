/** Sessions of TLS by host and port, so that the next connection needs no full handshake. */
export class TlsSessions {
  readonly #sessions = new Map<string, Buffer>();

  get(key: string): Buffer | undefined {
    return this.#sessions.get(key);
  }

  set(key: string, session: Buffer): void {
    // How long a ticket is, is the other side's choice.
    if (session.length > SESSION_BYTES_MAX) return;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size <= SESSIONS_MAX) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }
}

/** Some 2 kB each; together 8 MiB at most. */
const SESSIONS_MAX = 1000;
const SESSION_BYTES_MAX = 8 * 1024;
