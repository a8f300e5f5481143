import type { FetchDocument } from './jwks-source.ts';

/** The bound on an issuer's description. */
const BYTES_MAX = 64 * 1024;
/** The URL is looked up again after this time, and when the keys could not be fetched from it. */
const KEPT_MS = 86_400_000;

export interface DiscoveryOptions {
  /** The issuer in the configuration, and the `iss` of its tokens. */
  readonly issuer: string;
  readonly timeoutMs: number;
  readonly fetchDocument: FetchDocument;
  readonly clock: { monotonicMs(): number };
}

/**
 * Finds the URL of an issuer's keys by OpenID Connect Discovery 1.0: `jwks_uri` in
 * `/.well-known/openid-configuration` below the issuer's URL.
 *
 * "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix"
 * (section 4.3). So one site cannot claim to be another.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  #found: { readonly url: string; readonly atMs: number } | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** Rejects with an Error that describes the problem of the description. */
  async find(): Promise<string> {
    const { issuer, timeoutMs, fetchDocument, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#found !== undefined && nowMs - this.#found.atMs < KEPT_MS) return this.#found.url;
    const bytes = await fetchDocument(configurationUrlOf(issuer), { timeoutMs, bytesMax: BYTES_MAX });
    const url = jwksUrlIn(bytes, issuer);
    this.#found = { url, atMs: nowMs };
    return url;
  }

  /** Drops the found URL: the keys may have moved. */
  forget(): void {
    this.#found = undefined;
  }
}

/**
 * "Any terminating / MUST be removed before
 * appending /.well-known/openid-configuration" (section 4.1).
 */
function configurationUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

function jwksUrlIn(bytes: Buffer, issuer: string): string {
  let description: unknown;
  try {
    description = JSON.parse(bytes.toString());
  } catch {
    throw new Error('its openid-configuration is not JSON');
  }
  if (typeof description !== 'object' || description === null)
    throw new Error('its openid-configuration is not a JSON object');
  const { issuer: named, jwks_uri: url } = description as Readonly<Record<string, unknown>>;
  if (named !== issuer) throw new Error('its openid-configuration names another issuer');
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (parsed === null || parsed.protocol !== 'https:' || parsed.username + parsed.password + parsed.hash !== '')
    throw new Error('its openid-configuration has no https jwks_uri');
  return parsed.href;
}
