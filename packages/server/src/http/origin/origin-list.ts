/**
 * The configured origins: `https://shop.example`, `https://*.shop.example` for all sub-domains,
 * `*`.
 */
export class OriginList {
  /** Whether the list has `*`. */
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

  /** Whether the list has this origin, other than by `*`. */
  includes(origin: string): boolean {
    return this.#exact.has(origin) || this.#subdomains.some((each) => isSubdomainOf(origin, each));
  }
}

/** Compares texts: only the `*` of a configured origin is a wildcard. */
function isSubdomainOf(
  origin: string,
  { scheme, domain }: { readonly scheme: string; readonly domain: string },
): boolean {
  const labels = origin.slice(scheme.length, -domain.length);
  return origin.startsWith(scheme) && origin.endsWith(domain) && SUBDOMAINS.test(labels);
}

const SUBDOMAINS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
