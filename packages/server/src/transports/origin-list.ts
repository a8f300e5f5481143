/** Origins as the configuration lists them: `https://shop.example`, `https://*.shop.example` for all sub-domains, `*`. */
export class OriginList {
  /** Whether `*` is among them. */
  readonly isAny: boolean;
  readonly #listed = new Set<string>();
  readonly #subdomains: RegExp[] = [];

  constructor(origins: readonly string[]) {
    this.isAny = origins.includes('*');
    this.add(origins);
  }

  get isEmpty(): boolean {
    return this.#listed.size === 0 && this.#subdomains.length === 0;
  }

  add(origins: readonly string[]): void {
    for (const origin of origins) {
      const [scheme, domain] = origin.split('://*.');
      if (domain !== undefined)
        this.#subdomains.push(new RegExp(`^${scheme}://(?:[a-z0-9_-]+\\.)+${domain.replaceAll('.', '\\.')}$`));
      else if (origin !== '*') this.#listed.add(origin);
    }
  }

  /** Whether it is listed, other than by `*`. */
  names(origin: string): boolean {
    return this.#listed.has(origin) || this.#subdomains.some((subdomain) => subdomain.test(origin));
  }
}
