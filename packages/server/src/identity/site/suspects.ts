/** The bound on remembered clients. Above it the oldest are forgotten. */
const CLIENTS_MAX = 1000;

/**
 * Suspects are clients with recent questions that the site failed to answer. The hub does not know
 * whether the site or the question was at fault.
 *
 * While the breaker is open and no probe is known, a client's question tests the site. It is never
 * a suspect's. Otherwise one client with repeated bad questions could keep the breaker open for all
 * others.
 *
 * A suspect's question is sent beside that test, one at a time. Its failure delays only other
 * suspects.
 */
export class Suspects {
  readonly #clients = new Set<string>();
  #isTrying = false;
  #restUntilMs = -Infinity;

  has(client: string): boolean {
    return this.#clients.has(client);
  }

  mayTry(nowMs: number): boolean {
    return !this.#isTrying && nowMs >= this.#restUntilMs;
  }

  tries(): void {
    this.#isTrying = true;
  }

  /** @param restUntilMs after a failure: no suspect's question is sent before this moment */
  hasTried(restUntilMs: number | undefined): void {
    this.#isTrying = false;
    this.#restUntilMs = restUntilMs ?? this.#restUntilMs;
  }

  failed(client: string): void {
    this.#clients.delete(client);
    this.#clients.add(client);
    if (this.#clients.size <= CLIENTS_MAX) return;
    for (const oldest of this.#clients) {
      this.#clients.delete(oldest);
      return;
    }
  }

  answered(client: string): void {
    this.#clients.delete(client);
  }
}
