import type { FetchDocument } from './jwks-source.ts';

/** What is read of an issuer's description, at most. */
const BYTES_MAX = 64 * 1024;
/** An address is asked for again after this long, and when the keys could not be had there. */
const KEPT_MS = 86_400_000;

export interface DiscoveryOptions {
  /** As the configuration has it, and `iss` in its tokens. */
  readonly issuer: string;
  readonly timeoutMs: number;
  readonly fetchDocument: FetchDocument;
  readonly clock: { monotonicMs(): number };
}

/**
 * Where an issuer publishes its keys, by OpenID Connect Discovery 1.0: `jwks_uri` in `/.well-known/openid-configuration` below the
 * issuer's own URL. "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix" (section 4.3), so that
 * one site cannot speak for another.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  #found: { readonly url: string; readonly atMs: number } | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** Rejects with an Error that says what is wrong with the description. */
  async find(): Promise<string> {
    const { issuer, timeoutMs, fetchDocument, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#found !== undefined && nowMs - this.#found.atMs < KEPT_MS) return this.#found.url;
    const bytes = await fetchDocument(configurationUrlOf(issuer), { timeoutMs, bytesMax: BYTES_MAX });
    const url = jwksUrlIn(bytes, issuer);
    this.#found = { url, atMs: nowMs };
    return url;
  }

  /** What was found was of no use: it may have moved. */
  forget(): void {
    this.#found = undefined;
  }
}

/** "Any terminating / MUST be removed before appending /.well-known/openid-configuration" (section 4.1). */
function configurationUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

function jwksUrlIn(bytes: Buffer, issuer: string): string {
  let description: unknown;
  try {
    description = JSON.parse(bytes.toString());
  } catch {
    throw new Error('its openid-configuration is no JSON');
  }
  if (typeof description !== 'object' || description === null)
    throw new Error('its openid-configuration is no JSON object');
  const { issuer: named, jwks_uri: url } = description as Readonly<Record<string, unknown>>;
  if (named !== issuer) throw new Error('its openid-configuration names another issuer');
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (parsed === null || parsed.protocol !== 'https:' || parsed.username + parsed.password + parsed.hash !== '')
    throw new Error('its openid-configuration has no https jwks_uri');
  return parsed.href;
}
