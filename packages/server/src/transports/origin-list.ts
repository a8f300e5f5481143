/** Origins as the configuration lists them: `https://shop.example`, `https://*.shop.example` for all sub-domains, `*`. */
export class OriginList {
  /** Whether `*` is among them. */
  readonly isAny: boolean;
  readonly #listed = new Set<string>();
  readonly #subdomains: { readonly scheme: string; readonly domain: string }[] = [];

  constructor(origins: readonly string[]) {
    this.isAny = origins.includes('*');
    this.add(origins);
  }

  get isEmpty(): boolean {
    return this.#listed.size === 0 && this.#subdomains.length === 0;
  }

  add(origins: readonly string[]): void {
    for (const origin of origins) {
      const [scheme = '', domain] = origin.split('://*.');
      if (domain !== undefined) this.#subdomains.push({ scheme: `${scheme}://`, domain: `.${domain}` });
      else if (origin !== '*') this.#listed.add(origin);
    }
  }

  /** Whether it is listed, other than by `*`. */
  names(origin: string): boolean {
    return this.#listed.has(origin) || this.#subdomains.some((each) => isBelow(origin, each));
  }
}

/** Compared as text: nothing that a configuration says is a pattern but the `*`. */
function isBelow(origin: string, { scheme, domain }: { readonly scheme: string; readonly domain: string }): boolean {
  const labels = origin.slice(scheme.length, -domain.length);
  return origin.startsWith(scheme) && origin.endsWith(domain) && SUBDOMAINS.test(labels);
}

const SUBDOMAINS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
