interface ProbeRequest {
  readonly key: string;
  readonly body: string;
  /** The user in the answer. */
  readonly user: string | undefined;
}

/** More than one, so that a single question which the site no longer answers cannot decide. */
const PROBES_MAX = 4;

/**
 * Probes are questions that the site recently answered with a user or a permission. The hub uses
 * them to test the site.
 *
 * If a probe fails, the site is at fault. If it is answered, the site works, whatever happens to
 * other questions.
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
