/** Origins as the configuration lists them: `https://shop.example`, `https://*.shop.example` for all sub-domains, `*`. */
export class OriginList {
  /** Whether `*` is among them. */
  readonly allowsAny: boolean;
  readonly #exact = new Set<string>();
  readonly #subdomains: { readonly scheme: string; readonly domain: string }[] = [];

  constructor(origins: readonly string[]) {
    this.allowsAny = origins.includes('*');
    this.add(origins);
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#subdomains.length === 0;
  }

  add(origins: readonly string[]): void {
    for (const origin of origins) {
      const [scheme = '', domain] = origin.split('://*.');
      if (domain !== undefined) this.#subdomains.push({ scheme: `${scheme}://`, domain: `.${domain}` });
      else if (origin !== '*') this.#exact.add(origin);
    }
  }

  /** Whether it is listed, other than by `*`. */
  includes(origin: string): boolean {
    return this.#exact.has(origin) || this.#subdomains.some((each) => isSubdomainOf(origin, each));
  }
}

/** Compared as text: nothing that a configuration says is a pattern but the `*`. */
function isSubdomainOf(
  origin: string,
  { scheme, domain }: { readonly scheme: string; readonly domain: string },
): boolean {
  const labels = origin.slice(scheme.length, -domain.length);
  return origin.startsWith(scheme) && origin.endsWith(domain) && SUBDOMAINS.test(labels);
}

const SUBDOMAINS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
