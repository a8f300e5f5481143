import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  randomBytes,
  sign,
  KeyObject,
  type webcrypto,
} from 'node:crypto';

/** The user of a token, and the permissions that the token gives. */
export interface TokenSubject {
  /** The site's id for the user, 1 to 128 characters. */
  readonly user: string;
  /** The data that presence shows of the user; any JSON. */
  readonly info?: unknown;
  /** Channels and patterns that the user may read in addition to the hub's rules, at most 100. */
  readonly subscribe?: readonly string[];
  /** Channels and patterns that the user may publish to, in addition to the hub's rules. */
  readonly publish?: readonly string[];
  /**
   * Claims that the hub's rules may require (`{claim, value}`): any members but the registered
   * ones.
   */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** The private counterpart of the hub's configuration of tokens (`identity.tokens`). */
export interface TokenSigner {
  /** For HS256: at least 32 bytes, the same as the hub has. */
  readonly secret?: string | Uint8Array;
  /**
   * For RS256, ES256 and EdDSA: a private key, in PEM or as a JWK. The type of the key decides the
   * algorithm.
   */
  readonly key?: string | KeyObject | webcrypto.JsonWebKey;
  /** The id of the key, if the hub has several. */
  readonly kid?: string;
  /** The `issuer` that the hub expects. */
  readonly issuer?: string;
  /** The `audience` that the hub expects. */
  readonly audience?: string | readonly string[];
  /** The lifetime of the token in seconds. @default 3600 */
  readonly expiresInSeconds?: number;
  /** The id of the token (`jti`), by which it can be revoked. @default random */
  readonly tokenId?: string;
}

type Algorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA';

const EXPIRES_IN_SECONDS = 3600;
const SECRET_BYTES_MIN = 32;
const RSA_BITS_MIN = 2048;

/**
 * Signs a token (JWT) that identifies one of your users to a hub. Your page gets it from your
 * backend and returns it from `getToken` of `connect`.
 * @throws TypeError without a key, or for a key that hubs do not accept; RangeError for an
 * `expiresInSeconds` that is not positive
 */
export function signToken(subject: TokenSubject, signer: TokenSigner): string {
  const { algorithm, key } = keyOf(signer);
  const header = { alg: algorithm, typ: 'JWT', ...(signer.kid === undefined ? {} : { kid: signer.kid }) };
  const signed = `${encodePart(header)}.${encodePart(claimsOf(subject, signer))}`;
  return `${signed}.${signatureOf(signed, algorithm, key).toString('base64url')}`;
}

function claimsOf({ user, info, subscribe, publish, claims }: TokenSubject, signer: TokenSigner): object {
  const { issuer, audience, expiresInSeconds = EXPIRES_IN_SECONDS, tokenId } = signer;
  if (!(expiresInSeconds > 0)) throw new RangeError(`${expiresInSeconds} is not a valid lifetime of a token`);
  const nowSeconds = Math.floor(Date.now() / 1000);
  return {
    ...claims,
    sub: user,
    iat: nowSeconds,
    exp: nowSeconds + expiresInSeconds,
    jti: tokenId ?? randomBytes(16).toString('base64url'),
    // JSON omits undefined members.
    iss: issuer,
    aud: audience,
    info,
    polycast: subscribe === undefined && publish === undefined ? undefined : { subscribe, publish },
  };
}

function keyOf({ secret, key }: TokenSigner): { readonly algorithm: Algorithm; readonly key: KeyObject } {
  if ((secret === undefined) === (key === undefined))
    throw new TypeError('give either a secret or a private key to sign the token');
  if (secret !== undefined) return { algorithm: 'HS256', key: secretKey(secret) };
  const keyObject = privateKey(key as NonNullable<TokenSigner['key']>);
  return { algorithm: algorithmOf(keyObject), key: keyObject };
}

function secretKey(secret: string | Uint8Array): KeyObject {
  const bytes = Buffer.from(secret);
  if (bytes.length < SECRET_BYTES_MIN)
    throw new TypeError(`the secret has ${bytes.length} bytes; hubs require at least ${SECRET_BYTES_MIN}`);
  return createSecretKey(bytes);
}

function privateKey(key: NonNullable<TokenSigner['key']>): KeyObject {
  if (key instanceof KeyObject) return key;
  return typeof key === 'string' ? createPrivateKey(key) : createPrivateKey({ key, format: 'jwk' });
}

function algorithmOf({ type, asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm {
  if (type !== 'private') throw new TypeError('a token must be signed with a private key');
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN) return 'RS256';
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  throw new TypeError(`hubs accept RSA keys of at least ${RSA_BITS_MIN} bits, P-256 and Ed25519`);
}

function signatureOf(signed: string, algorithm: Algorithm, key: KeyObject): Buffer {
  const bytes = Buffer.from(signed);
  switch (algorithm) {
    case 'HS256':
      return createHmac('sha256', key).update(bytes).digest();
    case 'RS256':
      return sign('sha256', bytes, key);
    case 'ES256':
      return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return sign(null, bytes, key);
  }
}

function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
