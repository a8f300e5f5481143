import { PolycastError } from '@polycast/protocol';
import type { Credentials } from '../../core/access/authority.ts';
import type { Clock } from '../../core/ports.ts';
import type { Principal } from '../../core/access/principal.ts';
import type { Identifier } from '../authority.ts';
import { SCHEMES } from './algorithms.ts';
import { principalFromClaims, type ClaimRules } from './claims.ts';
import { looksLikeToken, parseCompact, invalidTokenError, type CompactToken } from './compact-token.ts';
import type { KeySource, VerificationKey } from './verification-keys.ts';
import { TokenHeaders } from './token-headers.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** An issuer of trusted tokens, with its keys. */
export interface TokenIssuer extends ClaimRules {
  readonly keys: KeySource;
}

export interface TokenIdentifierOptions {
  /** At most one issuer of each name, and at most one without a name. */
  readonly issuers: readonly TokenIssuer[];
  readonly clock: Pick<Clock, 'nowMs'>;
  /** The bound on cached verified tokens. */
  readonly cachedMax: number;
  readonly stats: TokenStats;
}

/** Presented tokens, by outcome. `remembered`: the token was in the cache. */
export interface TokenStats {
  verified: number;
  remembered: number;
  refused: number;
}

/** The bound on keys that are tried for a token without a `kid`. Each costs a verification. */
const KEYS_TRIED_MAX = 4;

/**
 * Creates the identifier for signed tokens (JWT, RFC 7519 in the compact form of RFC 7515;
 * PROTOCOL.md section 13.2). It answers synchronously, unless keys have to be fetched.
 */
export function createTokenIdentifier({ issuers, clock, cachedMax, stats }: TokenIdentifierOptions): Identifier {
  const byName = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  const verified = new VerifiedTokens(cachedMax);
  const headers = new TokenHeaders();
  const verify = (token: string, name: string): Principal | Promise<Principal> => {
    const parsed = parseCompact(token, headers);
    const issuer = issuerOf(parsed, byName);
    const { algorithm, kid } = parsed.header;
    const finish = (keys: readonly VerificationKey[]): Principal => {
      const key = verifyingKey(parsed, keys);
      const principal = principalFromClaims(parsed.payload, issuer, key, clock.nowMs());
      verified.add(name, { principal, key, source: issuer.keys }, token.length);
      stats.verified++;
      return principal;
    };
    const keys = issuer.keys.find(algorithm, kid);
    return keys instanceof Promise ? keys.then(finish) : finish(keys);
  };
  const countRefusal = (error: unknown): never => {
    // If the keys are unavailable, the token may still be valid.
    if (!(error instanceof PolycastError) || error.code !== 'identity_unavailable') stats.refused++;
    throw error;
  };
  return {
    identify({ token }: Credentials) {
      if (token === undefined || !looksLikeToken(token)) return undefined;
      const name = VerifiedTokens.hashOf(token);
      const known = verified.find(name, clock.nowMs());
      if (known !== undefined) {
        stats.remembered++;
        return known;
      }
      try {
        const found = verify(token, name);
        return found instanceof Promise ? found.catch(countRefusal) : found;
      } catch (error) {
        return countRefusal(error);
      }
    },
  };
}

/**
 * Finds the issuer that the token claims. This only selects the keys; one of them must verify the
 * signature.
 */
function issuerOf({ payload }: CompactToken, byName: ReadonlyMap<string | undefined, TokenIssuer>): TokenIssuer {
  const { iss } = payload;
  const issuer = (typeof iss === 'string' ? byName.get(iss) : undefined) ?? byName.get(undefined);
  if (issuer === undefined) throw invalidTokenError('The hub does not know the issuer of the token.');
  return issuer;
}

/**
 * Returns the key that signed the token.
 * @throws PolycastError `unauthorized` when none did
 */
function verifyingKey(
  { signed, signature, header: { algorithm, kid } }: CompactToken,
  keys: readonly VerificationKey[],
): VerificationKey {
  if (keys.length === 0) {
    const named = kid === undefined ? '' : ` with the kid ${JSON.stringify(kid.slice(0, 100))}`;
    throw invalidTokenError(`The token's issuer has no key for ${algorithm}${named}.`);
  }
  if (keys.length > KEYS_TRIED_MAX)
    throw invalidTokenError('Too many keys of the issuer could match the token. Add a kid to the token.');
  const signer = keys.find(({ key }) => SCHEMES[algorithm].verify(signed, signature, key));
  if (signer === undefined) throw invalidTokenError("The token's signature is not valid.");
  return signer;
}
