import type { PublicAlgorithm } from '../../core/access/identity-settings.ts';
import { SCHEMES } from './algorithms.ts';
import { keyFromJwk, type VerificationKey } from './verification-keys.ts';
import { isObject, parseStrictObject, type JsonObject } from './strict-json.ts';

/** The bounds on the keys of one issuer, and on the bytes of their document. */
export const JWKS_KEYS_MAX = 100;
export const JWKS_BYTES_MAX = 65_536;

/**
 * Returns the keys of a JWK Set that serve one of the algorithms (RFC 7517, section 5). Others are
 * ignored, as section 5 asks: keys of another use, too short, symmetric, or of unknown kinds.
 * @throws Error when the document is not a JWK Set
 */
export function keysInSet(document: Buffer, algorithms: readonly PublicAlgorithm[]): readonly VerificationKey[] {
  const set = parseStrictObject(document);
  const keys = set?.['keys'];
  if (!Array.isArray(keys)) throw new Error('it is not a JWK Set');
  if (keys.length > JWKS_KEYS_MAX) throw new Error(`it contains ${keys.length} keys; the limit is ${JWKS_KEYS_MAX}`);
  return keys.flatMap((jwk: unknown) => (isObject(jwk) ? (keyIn(jwk, algorithms) ?? []) : []));
}

function keyIn(jwk: JsonObject, algorithms: readonly PublicAlgorithm[]): VerificationKey | undefined {
  const { kid, use, alg } = jwk;
  const algorithm = algorithmOf(jwk);
  if (algorithm === undefined || !algorithms.includes(algorithm)) return undefined;
  if ((use !== undefined && use !== 'sig') || (alg !== undefined && alg !== algorithm && !isEdwards(alg, algorithm)))
    return undefined;
  if (kid !== undefined && typeof kid !== 'string') return undefined;
  try {
    const key = keyFromJwk(jwk);
    return SCHEMES[algorithm].keyProblem(key) === undefined ? { algorithm, kid, key, isRetired: false } : undefined;
  } catch {
    return undefined;
  }
}

/** The type and the curve of a key determine its algorithm. */
function algorithmOf({ kty, crv }: JsonObject): PublicAlgorithm | undefined {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
}

function isEdwards(alg: unknown, algorithm: PublicAlgorithm): boolean {
  return alg === 'Ed25519' && algorithm === 'EdDSA';
}
