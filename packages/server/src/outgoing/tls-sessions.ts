/** TLS sessions by host and port. With a session the next connection needs no full handshake. */
export class TlsSessions {
  readonly #sessions = new Map<string, Buffer>();

  get(key: string): Buffer | undefined {
    return this.#sessions.get(key);
  }

  set(key: string, session: Buffer): void {
    // The peer chooses the length of its ticket.
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

/** About 2 kB each; 8 MiB in total at most. */
const SESSIONS_MAX = 1000;
const SESSION_BYTES_MAX = 8 * 1024;
