/** So many clients are remembered; the oldest go first. */
const CLIENTS_MAX = 1000;

/**
 * Clients whose questions the site has failed on lately. While it is not known whether that was the site's fault or theirs, they do not
 * take the turn in which the site is tried: whoever comes with a bad question, again and again, would keep it shut for all others.
 * They try beside that turn, one at a time, and their failures make nobody else wait.
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

  /** @param restUntilMs when it has failed */
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
