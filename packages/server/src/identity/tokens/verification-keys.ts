import { createPublicKey, createSecretKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { TokenAlgorithm } from '../../core/access/identity-settings.ts';
import type { Signer } from '../../core/access/principal.ts';
import { SCHEMES } from './algorithms.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/**
 * A key that verifies tokens. It serves one algorithm only; a token's header cannot change that.
 */
export interface VerificationKey extends Signer {
  readonly algorithm: TokenAlgorithm;
  /** A key without a `kid` verifies tokens with any `kid`. */
  readonly kid: string | undefined;
  readonly key: KeyObject;
  /**
   * True when the issuer no longer publishes the key. Tokens that it verified are no longer valid.
   */
  isRetired: boolean;
}

/** The source of an issuer's keys. */
export interface KeySource {
  /** The keys that it has at present. */
  readonly keys: readonly VerificationKey[];
  /**
   * Returns the keys that may have signed a token with this algorithm and `kid`. Rejects with
   * PolycastError `identity_unavailable`.
   */
  find(
    algorithm: TokenAlgorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]>;
  /** Whether a key of this source is still trusted. */
  trusts(key: VerificationKey): boolean;
}

/** The source of keys in the configuration. */
export function staticKeySource(keys: readonly VerificationKey[]): KeySource {
  return { keys, find: (algorithm, kid) => matchingKeys(keys, algorithm, kid), trusts: () => true };
}

/** Whether two keys verify the same tokens. */
export function isSameKey(one: VerificationKey, other: VerificationKey): boolean {
  return one.kid === other.kid && one.algorithm === other.algorithm && one.key.equals(other.key);
}

/** Returns the keys of an algorithm that match a token's `kid`. */
export function matchingKeys(
  keys: readonly VerificationKey[],
  algorithm: TokenAlgorithm,
  kid: string | undefined,
): readonly VerificationKey[] {
  return keys.filter(
    (key) => key.algorithm === algorithm && (kid === undefined || key.kid === undefined || key.kid === kid),
  );
}

/**
 * Creates a key from configured text, or from a JWK.
 * @param material PEM (a public key or a certificate), a JWK or its JSON; for HS256 the secret's
 * own text, or a JWK of type `oct`
 * @throws Error that describes the problem of the key
 */
export function createVerificationKey(
  algorithm: TokenAlgorithm,
  kid: string | undefined,
  material: string | JsonObject,
): VerificationKey {
  const jwk = jwkIn(material);
  const key = jwk === undefined ? keyFromText(algorithm, material as string) : keyFromJwk(jwk);
  const problem = SCHEMES[algorithm].keyProblem(key);
  if (problem !== undefined) throw new Error(problem);
  const keyId = kid ?? (typeof jwk?.['kid'] === 'string' ? jwk['kid'] : undefined);
  return { algorithm, kid: keyId, key, isRetired: false };
}

/** @throws Error when the JWK is not a key, or is a private key (RFC 7517) */
export function keyFromJwk(jwk: JsonObject): KeyObject {
  if (jwk['kty'] === 'oct') {
    if (typeof jwk['k'] !== 'string') throw new Error('the JWK has no k');
    return createSecretKey(jwk['k'], 'base64url');
  }
  if ('d' in jwk) throw new Error('it is a private key; the hub only verifies and needs the public key');
  return createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' });
}

function keyFromText(algorithm: TokenAlgorithm, text: string): KeyObject {
  const isPem = text.includes('-----BEGIN ');
  if (algorithm === 'HS256') {
    // An attacker who knows a public key could sign with it as the secret.
    if (isPem) throw new Error('it is in PEM, but HS256 requires a secret');
    return createSecretKey(Buffer.from(text));
  }
  if (!isPem) throw new Error('it is neither PEM nor a JWK');
  if (text.includes('PRIVATE KEY-----'))
    throw new Error('it is a private key; the hub only verifies and needs the public key');
  return createPublicKey(text);
}

function jwkIn(material: string | JsonObject): JsonObject | undefined {
  if (typeof material !== 'string') return material;
  if (!material.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(material);
    return isObject(value) && 'kty' in value ? value : undefined;
  } catch {
    return undefined;
  }
}
