interface ProbeRequest {
  readonly key: string;
  readonly body: string;
  /** Whom the answer named. */
  readonly user: string | undefined;
}

/** So many, so that one which the site cannot answer any more does not stand for all. */
const PROBES_MAX = 4;

/**
 * Questions that the site has answered with a yes lately. One that fails now says that the site fails, and one that is answered
 * says that it is well, whatever else has been asked of it.
 */
export class ProbeRequests {
  readonly #byKey = new Map<string, ProbeRequest>();

  get newest(): ProbeRequest | undefined {
    return [...this.#byKey.values()].at(-1);
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  add(key: string, body: string, user: string | undefined): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, { key, body, user });
    if (this.#byKey.size <= PROBES_MAX) return;
    for (const oldest of this.#byKey.keys()) {
      this.#byKey.delete(oldest);
      return;
    }
  }

  delete(key: string): boolean {
    return this.#byKey.delete(key);
  }

  forget(user: string): void {
    for (const probe of this.#byKey.values()) if (probe.user === user) this.#byKey.delete(probe.key);
  }
}
